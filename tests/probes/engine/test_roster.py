"""Plans that change: what stays is not disturbed, and what goes leaves nothing behind."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
from engine_run import Run, assert_every_probe_has_one_outcome, spec
from patience import wait_until

from probes.engine.ledger import Ledger
from probes.engine.roster import Roster

pytestmark = pytest.mark.network


def test_update_keeps_the_running_window_of_unchanged_streams(needs_raw_sockets: None) -> None:
    steady, old, new = (spec("icmp", f"127.0.0.{n}", stream_id=n) for n in (1, 2, 3))
    run = Run(steady, old, probes=None)
    run.engine.start()
    wait_until(lambda: run.total("received", 1) > 30)
    run.engine.update([steady, new])
    wait_until(lambda: run.total("received", 3) > 30)
    run.engine.stop()
    assert run.total("sent") == run.total("received")
    sequence = run.column("sequence")[run.column("stream_id") == 1]
    assert sorted(sequence) == list(range(1, len(sequence) + 1))
    assert_every_probe_has_one_outcome(run)


def open_descriptors() -> int:
    return sum(1 for _ in pathlib.Path("/proc/self/fd").iterdir())


def test_streams_that_come_and_go_leave_nothing_behind(small_reflector) -> None:
    reflector = small_reflector()
    stays = spec("udp", port=reflector.port, stream_id=9, timeout_ms=50.0)
    guests = [
        spec("udp", port=reflector.port, stream_id=n, timeout_ms=50.0, flows=2) for n in range(5)
    ]
    run = Run(stays, probes=None)
    engine, roster = run.engine, run.engine._roster
    run.engine._ledger._linger_ns = 0  # so that windows are handed out soon
    before = open_descriptors()
    engine.start()
    try:
        sizes = []
        for turn in range(6):
            present = guests if turn % 2 else guests[:2]
            sent = run.total("sent", 1)
            engine.update([stays, *present])
            wait_until(lambda present=present: len(engine._running) == 1 + len(present))
            wait_until(lambda sent=sent: run.total("sent", 1) > sent)
            engine.update([stays])
            wait_until(lambda: len(engine._running) == 1 and not engine._retired)
            sizes.append((len(engine._ledger.rows), len(roster.specs), len(roster.channels)))
            # What is open now: two epoll sets, a wake-up descriptor, a watch of routes, one
            # channel.
            assert open_descriptors() <= before + 5
    finally:
        engine.stop()
    assert sizes[1] == sizes[-1]
    assert sizes[-1][1:] == (6, 1)
    # The one that stays is not disturbed: its numbers continue, each with one outcome.
    sequence = run.column("sequence")[run.column("stream_id") == 9]
    assert sorted(sequence) == list(range(1, run.total("sent", 9) + 1)) != []
    assert_every_probe_has_one_outcome(run)


def test_a_thousand_plans_need_the_room_of_one() -> None:
    roster = Roster(Ledger(1_000_000_000), np.random.default_rng(1))
    sizes = set()
    for turn in range(1000):
        streams = [
            spec("udp", stream_id=n, port=862 + n % 3, flows=1 + n % 2, timeout_ms=150.0)
            for n in range(4)
        ]
        accepted, numbers, _ = roster.add(streams)
        assert accepted == [0, 1, 2, 3]
        assert roster.stream_ids[numbers].tolist() == [0, 1, 2, 3]
        assert (roster.ledger.sessions["next"][roster.first_session[numbers]] == 1).all()
        roster.ledger.sessions["next"][roster.first_session[numbers]] = turn + 2
        sizes.add((len(roster.ledger.rows), len(roster.stream_ids), max(roster.channels)))
        assert len(roster.release(numbers.tolist())) == 4  # port 862 twice: a copy of two flows
    assert len(sizes) == 1
    assert not roster.channels
