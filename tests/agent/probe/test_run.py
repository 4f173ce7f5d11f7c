"""One probe run: streams for the targets, the engine over them, their figures at the end."""

from __future__ import annotations

import contextlib
import json
import socket

import pytest

from agent.probe.json_output import json_line
from agent.probe.run import ProbeOptions, ProbeRun
from agent.probe.targets import ResolvedTarget


@pytest.mark.network
def test_what_is_in_flight_when_a_run_is_ended_is_shown_and_neither_answered_nor_lost() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        run = ProbeRun(
            [ResolvedTarget(name="silent", address="127.0.0.1", ip_version=4)],
            ProbeOptions(
                protocol="udp", count=1_000, interval_ms=5.0, timeout_ms=60_000.0,
                payload_bytes=64, dscp=0, port=silent.getsockname()[1], flows=2,
            ),
        )  # fmt: skip

        reached: list[bytes] = []

        def interrupt(_: ProbeRun) -> None:
            if reached:
                return
            with contextlib.suppress(BlockingIOError):
                reached.append(silent.recv(100, socket.MSG_DONTWAIT))
                raise KeyboardInterrupt

        assert not run.run(interrupt)
    (result,) = run.results()
    assert result.sent == result.in_flight == result.asked > 0
    assert (result.received, result.lost, result.loss_ratio) == (0, 0, None)
    assert json.loads(json_line(result))["in_flight"] == result.in_flight
