"""Campaign files: strict, and every fault is one clear sentence."""

import asyncio
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

import msgspec
import pytest
from click.testing import CliRunner

import isochrone
from controller.campaigns.campaign_file import Campaign, asked_of, load_campaign
from controller.client.calls import SilentControllerError
from controller.client.link import ControllerAddress
from controller.commands import campaign as campaign_command
from controller.reports.local import _report_refused
from foundation.errors import ConfigError, IsochroneError, ResourceError
from foundation.text import Text
from probes.engine.report import EngineHealth
from probes.stream import StreamSpec, TypeP

REFERENCE = pathlib.Path(__file__).parents[3] / "docs/reference/campaign-file.md"
GOOD = 'name = "autumn"\ntitle = "Autumn"\nduration_s = 60\n'

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


def write(folder, text):
    path = folder / "campaign.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_is_read_and_its_site_file_stands_beside_it(tmp_path):
    campaign = load_campaign(write(tmp_path, GOOD + 'sites = "sites.toml"\n'))
    assert campaign.title.zh == "Autumn"
    assert campaign.sites == str(tmp_path / "sites.toml")
    assert campaign.language == "zh"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (GOOD + "durations = 3\n", "duration_s"),
        (GOOD + 'sites = "a"\ncontroller = "http://b"\n', "exclude each other"),
        (GOOD.replace("60", "0"), "duration_s"),
        (GOOD + 'language = "fr"\n', "language"),
        ("name = ", "not valid TOML"),
        ('title = "x"\nduration_s = 1\n', "name"),
    ],
)
def test_a_faulty_file_is_an_error_that_names_file_and_key(tmp_path, text, word):
    with pytest.raises(ConfigError) as caught:
        load_campaign(write(tmp_path, text))
    assert "campaign.toml" in caught.value.message("en")
    assert word in caught.value.message("en")
    assert caught.value.message("zh")


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        load_campaign(tmp_path / "nowhere.toml")


def test_every_key_stands_in_the_reference():
    text = REFERENCE.read_text(encoding="utf-8")
    described = set(re.findall(r"^\| `([a-z_]+)`", text, re.MULTILINE))
    assert described == set(Campaign.__struct_fields__)


def test_the_sample_of_the_reference_is_a_good_file(tmp_path):
    sample = re.search(r"```toml\n(.*?)```", REFERENCE.read_text(encoding="utf-8"), re.DOTALL)
    assert sample
    assert load_campaign(write(tmp_path, sample[1])).duration_s > 0


def run(*arguments):
    result = CliRunner().invoke(isochrone.front_door, ["campaign", "run", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_controller_that_does_not_answer_is_said_before_any_waiting(tmp_path):
    with pytest.raises(ResourceError, match="does not answer"):
        run(write(tmp_path, GOOD), "--url", f"unix:{tmp_path}/none.sock", "--out", tmp_path)


def test_nobody_to_measure_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="neither `controller` nor `sites`"):
        run(write(tmp_path, GOOD), "--out", tmp_path)


def test_a_site_file_of_other_machines_is_an_error(tmp_path):
    sites = SITES.replace("127.0.0.1", "192.0.2.1")
    (tmp_path / "sites.toml").write_text(sites, encoding="utf-8")
    with pytest.raises(ConfigError, match="begins at an address of this machine"):
        run(write(tmp_path, GOOD + 'sites = "sites.toml"\n'), "--out", tmp_path)


def test_a_place_that_cannot_be_written_is_said_before_measuring(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(IsochroneError, match="Cannot write"):
        run(write(tmp_path, GOOD + 'sites = "s"\n'), "--out", tmp_path / "file" / "out")


@pytest.mark.network
def test_a_campaign_over_loopback_measures_and_reports(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("raw ICMP needs CAP_NET_RAW: run the tests as root or inside `unshare -rn`")
    (tmp_path / "sites.toml").write_text(SITES, encoding="utf-8")
    # Long enough for the 59 probes of a verdict even if the machine stands still for seconds.
    text = GOOD.replace("60", "4") + 'sites = "sites.toml"\nwindow_s = 0.5\n'
    result = run(write(tmp_path, text), "--out", tmp_path / "out")
    assert result.exit_code == 0
    page = (tmp_path / "out/autumn.html").read_text(encoding="utf-8")
    assert '<tr class="pass">' in page
    assert "icmp4" in page


def echoes_answered(pid):
    text = pathlib.Path(f"/proc/{pid}/net/snmp").read_text(encoding="ascii")
    names, values = (line.split() for line in text.splitlines() if line.startswith("Icmp:"))
    return int(dict(zip(names[1:], values[1:], strict=True))["OutEchoReps"])


@pytest.mark.network
def test_ctrl_c_ends_a_campaign_early_and_what_was_measured_is_reported(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("raw ICMP needs CAP_NET_RAW: run the tests as root or inside `unshare -rn`")
    (tmp_path / "sites.toml").write_text(SITES, encoding="utf-8")
    text = GOOD.replace("60", "600") + 'sites = "sites.toml"\nwindow_s = 0.5\n'
    # In a network of its own, whose counters tell how much it has measured.
    run_it = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    run_it += [sys.executable, "-P", "-m", "isochrone", "campaign", "run"]
    with subprocess.Popen(
        [*run_it, str(write(tmp_path, text)), "--out", str(tmp_path)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"ISOCHRONE_LANG": "en"},
        text=True,
    ) as campaign:
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


def test_a_controller_that_is_away_at_the_end_is_waited_for(tmp_path, capsys, monkeypatch):
    """One controller answers at the start, another at the end; in between nobody does."""
    answers = iter([SilentControllerError("Silent.", "无应答。"), "report"])

    async def concluded(*_):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def report():
        monkeypatch.setattr(campaign_command, "_concluded", concluded)
        monkeypatch.setattr(campaign_command, "AWAY_PAUSE_S", 0.0)
        return await campaign_command._reported(None, ControllerAddress("unix:/a"), 0)

    assert asyncio.run(report()) == "report"
    assert "Waiting for it, 10 minutes at most" in capsys.readouterr().err


def test_streams_that_cannot_run_are_told_once_a_reason():
    told = []
    health = EngineHealth(**IDLE | {"streams": 1, "refused": _refused("icmp", "udp")})
    _report_refused(health, told.append)
    assert [text.en for text in told] == ["Streams to 1 destinations are not run: No rights."]
    with pytest.raises(ResourceError, match="No rights"):
        _report_refused(EngineHealth(**IDLE | {"refused": _refused("icmp")}), told.append)


IDLE = dict.fromkeys(
    (
        "streams",
        "probes_sent",
        "probes_received",
        "spurious",
        "overflowed",
        "skipped",
        "clock_steps",
    ),
    0,
) | {"timestamping": "none", "calibration_ns": None, "send_lag_max_ns": 0.0}


def _refused(*protocols):
    types = [TypeP(protocol=name, ip_version=4, payload_bytes=44) for name in protocols]
    why = Text("No rights.", "没有权限。")
    return {StreamSpec(stream_id=1, destination="192.0.2.1", type_p=kind): why for kind in types}


def test_the_declaration_is_the_schema():
    assert msgspec.json.schema(Campaign)["$defs"]["Campaign"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("begin = 2026-11-01T02:00:00\n", "file.toml:4: `begin` needs a `mesh`"),
        ('begin = "soon"\n[[mesh]]\nname = "a"\n', "file.toml:4: `soon` is not a time"),
        ('[[mesh]]\nname = "a"\nmembrs = {}\n', "did you mean `members`"),
        ('sites = "x.toml"\n[[mesh]]\nname = "a"\n', "with `sites` this machine measures"),
    ],
)
def test_what_a_campaign_asks_beyond_the_permanent_meshes_is_checked(tmp_path, more, said):
    file = tmp_path / "file.toml"
    file.write_text(GOOD + more, encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(said)):
        load_campaign(file)


@pytest.mark.parametrize("moment", ["2026-10-31T18:00:00", '"2026-10-31T18:00"', '"2026-10-31"'])
def test_a_time_without_a_zone_is_refused_with_its_two_readings(tmp_path, monkeypatch, moment):
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    file = tmp_path / "file.toml"
    file.write_text(f'{GOOD}begin = {moment}\n[[mesh]]\nname = "a"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_campaign(file)
    for text in (raised.value.text.en, raised.value.text.zh):
        assert "+08:00" in text
        assert "+00:00" in text
    monkeypatch.undo()
    time.tzset()


def test_a_time_zone_that_is_none_is_named(tmp_path):
    with pytest.raises(ConfigError, match="Asia/Nanjing"):
        load_campaign(write(tmp_path, f'{GOOD}time_zone = "Asia/Nanjing"\n'))


@pytest.mark.parametrize(
    ("given", "environment", "asked"),
    [
        ('time_zone = "Europe/Berlin"\n', {"ISOCHRONE_TIME_ZONE": "Asia/Tokyo"}, "Europe/Berlin"),
        ("", {"ISOCHRONE_TIME_ZONE": "Asia/Tokyo"}, "Asia/Tokyo"),
        ("", {"ISOCHRONE_TIME_ZONE": "", "TZ": ":Asia/Shanghai"}, "Asia/Shanghai"),
        ("", {"ISOCHRONE_TIME_ZONE": "", "TZ": "UTC"}, None),
        ("", {"ISOCHRONE_TIME_ZONE": "", "TZ": "CST-8"}, None),
    ],
)
def test_the_zone_of_a_report_is_the_files_else_that_of_who_asks(
    tmp_path, monkeypatch, given, environment, asked
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    file = write(tmp_path, f'{GOOD}{given}[[mesh]]\nname = "a"\n')
    assert asked_of(load_campaign(file)).time_zone == asked
    monkeypatch.undo()
    time.tzset()


def test_a_time_is_that_of_its_zone(tmp_path):
    mesh = '[[mesh]]\nname = "a"\n'
    times = ("2026-11-01T02:00:00+08:00", "2026-10-31T18:00:00Z", '"2026-10-31T18:00Z"')
    found = set()
    for moment in times:
        file = tmp_path / "file.toml"
        file.write_text(f"{GOOD}begin = {moment}\n{mesh}", encoding="utf-8")
        found.add(asked_of(load_campaign(file)).begin_ns)
    assert found == {1_793_469_600_000_000_000}
