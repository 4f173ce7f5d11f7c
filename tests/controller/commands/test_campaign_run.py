"""What a campaign waits for: this machine's own measuring, and a controller that may be away."""

import asyncio
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from click.testing import CliRunner, Result

import isochrone
from controller.campaigns.campaign_file import Campaign
from controller.client.link import ControllerAddress
from controller.commands.campaign_run import measured
from foundation.errors import ConfigError, IsochroneError, ResourceError
from foundation.text import Text

GOOD = 'name = "autumn"\ntitle = "Autumn"\nduration_s = 60\n'
as_root = pytest.mark.skipif(
    os.geteuid() != 0,
    reason="raw ICMP needs CAP_NET_RAW: run the tests as root or inside `unshare -rn`",
)

SITES = """
[network]
name = "loop"
title = { en = "Loop", zh = "回环" }
[[site]]
name = "here"
title = { en = "Here", zh = "本机" }
city = "nanjing"
[[site.interface]]
carrier = "telecom"
ipv4 = "127.0.0.1"
[[site]]
name = "there"
title = { en = "There", zh = "彼处" }
city = "nanjing"
external = true
[[site.interface]]
carrier = "telecom"
ipv4 = "127.0.0.9"
[[mesh]]
name = "all"
[[mesh.stream]]
protocol = "icmp"
interval_ms = 2
[[target]]
name = "tenth"
title = { en = "A tenth of a second", zh = "0.1 秒" }
kind = "delay"
limit_ms = 100.0
"""


def write(folder: pathlib.Path, text: str) -> pathlib.Path:
    path = folder / "campaign.toml"
    path.write_text(text, encoding="utf-8")
    return path


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(isochrone.front_door, ["campaign", "run", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_controller_that_does_not_answer_is_said_before_any_waiting(
    tmp_path: pathlib.Path,
) -> None:
    with pytest.raises(ResourceError, match="does not answer"):
        run(write(tmp_path, GOOD), "--url", f"unix:{tmp_path}/none.sock", "--out", tmp_path)


def test_nobody_to_measure_is_an_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="neither `controller` nor `sites`"):
        run(write(tmp_path, GOOD), "--out", tmp_path)


def test_a_place_that_cannot_be_written_is_said_before_measuring(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(IsochroneError, match="Cannot write"):
        run(write(tmp_path, GOOD + 'sites = "s"\n'), "--out", tmp_path / "file" / "out")


@pytest.mark.network
@as_root
def test_a_campaign_over_loopback_measures_and_reports(tmp_path: pathlib.Path) -> None:
    (tmp_path / "sites.toml").write_text(SITES, encoding="utf-8")
    # Long enough for the 59 probes of a verdict even if the machine stands still for seconds.
    text = GOOD.replace("60", "4") + 'sites = "sites.toml"\nwindow_s = 0.5\n'
    result = run(write(tmp_path, text), "--out", tmp_path / "out")
    assert result.exit_code == 0
    page = (tmp_path / "out/autumn.html").read_text(encoding="utf-8")
    assert '<tr class="pass">' in page
    assert "icmp4" in page


def echoes_answered(pid: int) -> int:
    text = pathlib.Path(f"/proc/{pid}/net/snmp").read_text(encoding="ascii")
    names, values = (line.split() for line in text.splitlines() if line.startswith("Icmp:"))
    return int(dict(zip(names[1:], values[1:], strict=True))["OutEchoReps"])


@pytest.mark.network
@as_root
def test_ctrl_c_ends_a_campaign_early_and_what_was_measured_is_reported(
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / "sites.toml").write_text(SITES, encoding="utf-8")
    text = GOOD.replace("60", "600") + 'sites = "sites.toml"\nwindow_s = 0.5\n'
    # In its own network, whose counters tell how much it has measured.
    run_it = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    run_it += [sys.executable, "-P", "-m", "isochrone", "campaign", "run"]
    with subprocess.Popen(
        [*run_it, str(write(tmp_path, text)), "--out", str(tmp_path)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"ISOCHRONE_LANG": "en"},
        text=True,
    ) as campaign:
        assert campaign.stderr is not None
        assert "600 s left" in campaign.stderr.readline()
        give_up_s = time.monotonic() + 120  # a hang, not slowness
        # Of these the first and the last window, 250 each, are not whole and are not judged.
        while echoes_answered(campaign.pid) < 800:
            assert time.monotonic() < give_up_s
            threading.Event().wait(0.05)
        campaign.send_signal(signal.SIGINT)
        assert "Ended early" in campaign.communicate(timeout=120)[1]
    assert campaign.returncode == 0
    assert '<tr class="pass">' in (tmp_path / "autumn.html").read_text(encoding="utf-8")


async def test_a_controller_that_is_away_at_the_end_is_waited_for(
    controller: Any,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It answers at the start; who asks at the end is hung up on, and answered the next time."""
    monkeypatch.setattr("controller.commands.campaign_run.AWAY_PAUSE_S", 0.0)
    monkeypatch.setattr("controller.commands.campaign_run.PATIENCE_S", 0.0)
    monkeypatch.setenv("ISOCHRONE_LANG", "en")
    calls = 0

    async def passed_on(ours: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        if calls in (2, 3):  # the session tries once more by itself
            back.close()
            return
        theirs, onwards = await asyncio.open_unix_connection(tmp_path / "api.sock")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_pumped(ours, onwards), name="asked")
            tasks.create_task(_pumped(theirs, back), name="answered")

    door = tmp_path / "door.sock"
    wanted = Campaign(name="autumn", title=Text("Autumn", "秋"), duration_s=0.001)
    async with await asyncio.start_unix_server(passed_on, door):
        report = await measured(wanted, ControllerAddress(f"unix:{door}"))
    assert calls == 4
    assert report.controller == f"unix:{door}"
    assert "Waiting for it, 10 minutes at most" in capsys.readouterr().err


async def _pumped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while octets := await reader.read(1 << 16):
        writer.write(octets)
        await writer.drain()
    writer.close()
