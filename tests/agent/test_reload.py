"""SIGHUP: what can change without losing a window does, a file with a mistake changes nothing."""

import signal
from pathlib import Path

import pytest

from tests.agent.running_agent import Controller, last_totals, start, stop, stored_probes, until

pytestmark = pytest.mark.network


async def test_reload_takes_a_policy_over_and_loses_no_window(
    tmp_path: Path, controller: Controller
) -> None:
    process = await start(tmp_path)
    await until(lambda: len(controller.chunks) >= 2)
    file = tmp_path / "agent.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text + "max_packets_per_s = 10\n", encoding="utf-8")
    process.send_signal(signal.SIGHUP)
    await controller.wait_until_curtailed(1)
    (slowed,) = controller.curtailed[-1].streams
    assert (slowed.rule, slowed.interval_ms) == ("policy.max_packets_per_s", 100.0)
    assert process.stderr is not None
    assert b"1 slowed, 0 refused: policy.max_packets_per_s." in await process.stderr.readline()
    file.write_text(text + "max_packet_per_s = 10\n", encoding="utf-8")
    process.send_signal(signal.SIGHUP)
    assert b"stays in force" in await process.stderr.readline()
    file.write_text(text.replace('"a1"', '"a2"'), encoding="utf-8")
    process.send_signal(signal.SIGHUP)
    assert b"restart the agent" in await process.stderr.readline()
    await controller.wait_until_curtailed(0)
    await stop(process, signal.SIGTERM)
    await until(lambda: not controller.agents)
    totals = last_totals(controller)
    assert (totals.made.get("probes", 0), totals.dropped) == (stored_probes(controller), ())


async def test_quiet_hours_are_kept_and_told(tmp_path: Path, controller: Controller) -> None:
    process = await start(tmp_path)
    file = tmp_path / "agent.toml"
    text = file.read_text(encoding="utf-8")
    await until(lambda: controller.chunks)
    file.write_text(text + 'quiet_hours = ["00:00-24:00"]\n', encoding="utf-8")
    process.send_signal(signal.SIGHUP)
    await controller.wait_until_curtailed(1)
    (refused,) = controller.curtailed[-1].streams
    assert (refused.rule, refused.action) == ("policy.quiet_hours", "refused")
    await stop(process, signal.SIGTERM)
    await until(lambda: not controller.agents)
    last = controller.health[-1]
    assert last.totals is not None
    assert (last.streams, last.totals.made.get("probes", 0)) == (0, stored_probes(controller))
