"""The engine on real packets: loopback, a veth pair, and a reflector that misbehaves on request."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from engine_run import Run, assert_every_probe_has_one_outcome, spec
from patience import finish, wait_until

from probes.engine.accumulate import OUTCOMES
from probes.engine.ledger import Ledger
from probes.sockets.identifiers import Identifier, Identifiers

pytestmark = pytest.mark.network


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("payload_bytes", [0, 5, 44, 1200])
def test_echo_is_answered_with_kernel_timestamps(
    needs_raw_sockets: None, host: str, payload_bytes: int
) -> None:
    run = Run(spec("icmp", host, payload_bytes=payload_bytes)).finish()
    assert (run.total("sent"), run.total("received")) == (50, 50)
    assert run.engine.health().timestamping == "kernel"
    rtt_ns = run.column("rtt_ns")
    assert (rtt_ns > 0).all()
    assert rtt_ns.min() < 1_000_000
    assert_every_probe_has_one_outcome(run)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_stamp_tells_both_directions(small_reflector, host: str) -> None:
    reflector = small_reflector(host=host)
    run = Run(spec("udp", host, port=reflector.port), own_clock_bound_ns=lambda: 500.0).finish()
    assert run.total("received") == 50
    assert (run.column("forward_ns") > 0).all()
    assert (run.column("backward_ns") > 0).all()
    for batch in run.windows:
        assert batch.measures["clock_bound_ns"] == pytest.approx(1_500, abs=20)
        assert (batch.measures["hops_forward"] == 5).all()


def test_one_way_delay_is_not_trusted_when_either_clock_is_not(small_reflector) -> None:
    peer_unsynchronised = small_reflector(error_estimate=0x0587)
    run = Run(spec("udp", port=peer_unsynchronised.port), own_clock_bound_ns=lambda: 500.0).finish()
    assert np.isnan(run.windows[0].measures["clock_bound_ns"]).all()
    run = Run(spec("udp", port=small_reflector().port)).finish()
    assert np.isnan(run.windows[0].measures["clock_bound_ns"]).all()
    assert run.total("received") == 50


def test_loss_is_split_by_direction(small_reflector) -> None:
    reflector = small_reflector(
        lose_forward=lambda n: n % 10 == 4, lose_backward=lambda n: n % 25 == 7
    )
    run = Run(spec("udp", port=reflector.port), probes=200).finish(answered=172)
    assert run.total("lost_forward") == 20
    assert run.total("lost_backward") == 8
    assert run.total("lost_unknown") == 0
    assert_every_probe_has_one_outcome(run)


def test_stateless_reflector_leaves_the_direction_unknown(small_reflector) -> None:
    reflector = small_reflector(stateful=False, lose_forward=lambda n: n % 10 == 4)
    run = Run(spec("udp", port=reflector.port), probes=100).finish(answered=90)
    assert (run.total("lost_unknown"), run.total("lost_forward")) == (10, 0)


def test_duplicates_are_counted_and_change_nothing_else(small_reflector) -> None:
    reflector = small_reflector(copies=lambda n: 3 if n % 10 == 5 else 1)
    run = Run(spec("udp", port=reflector.port)).finish()
    assert run.total("duplicate") == 10
    assert (run.total("sent"), run.total("received")) == (50, 50)


def test_reply_after_the_period_is_on_time_and_after_the_limit_is_late(small_reflector) -> None:
    reflector = small_reflector(hold=lambda n: True)
    run = Run(spec("udp", port=reflector.port, interval_ms=5.0), probes=10)
    run.engine.start()
    wait_until(lambda: len(reflector.held) == 10)
    reflector.release()  # many periods after the first was sent
    finish(run.engine)
    assert (run.total("late"), run.total("received")) == (0, 10)

    run = Run(spec("udp", port=reflector.port, interval_ms=5.0, timeout_ms=10.0), probes=4)
    run.engine.start()
    wait_until(lambda: len(reflector.held) == 4)
    threading.Event().wait(0.03)  # outlast the waiting time
    reflector.release()
    finish(run.engine)
    assert (run.total("late"), run.total("received")) == (4, 0)
    assert_every_probe_has_one_outcome(run)
    assert np.isnan(run.windows[0].measures["rtt_mean_ns"]).all()


@pytest.mark.parametrize("shift_s", [10, -10])
def test_a_clock_step_changes_no_round_trip_and_makes_no_loss(
    small_reflector, shift_s: int
) -> None:
    reflector = small_reflector()
    run = Run(spec("udp", port=reflector.port), spec("udp", port=reflector.port, stream_id=2),
              probes=None, own_clock_bound_ns=lambda: 500.0)  # fmt: skip
    engine = run.engine
    engine.start()
    wait_until(lambda: engine.health().probes_received > 50)
    engine.scale.inject_step(time.time_ns() + 200_000_000, shift_s * 1_000_000_000)
    wait_until(lambda: engine.health().clock_steps)
    before = engine.health().probes_received
    wait_until(lambda: engine.health().probes_received > before + 50)
    engine.stop()
    assert engine.health().clock_steps == 1
    assert run.total("received") == run.total("sent") > 100
    rtt_ns = run.column("rtt_ns")
    assert (rtt_ns > 0).all()
    assert rtt_ns.max() < 9_000_000_000  # of a step of ten seconds nothing shows
    starts = [batch.start_ns for batch in run.windows]
    assert len(set(starts)) == len(starts)  # none is told twice


def number_from(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the probes of streams that begin from now on be numbered from `first`."""
    begin = Ledger.begin

    def begin_late(ledger: Ledger, session: np.ndarray, *more: object) -> None:
        begin(ledger, session, *more)
        ledger.sessions["next"][session] = first

    monkeypatch.setattr(Ledger, "begin", begin_late)


@pytest.mark.parametrize("first", [(1 << 16) - 20, (1 << 32) - 20])
def test_counting_goes_on_where_the_numbers_in_packets_wrap(
    needs_raw_sockets: None, small_reflector, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    number_from(first, monkeypatch)
    reflector = small_reflector()
    streams = [
        spec("icmp", payload_bytes=0, stream_id=1),
        spec("icmp", payload_bytes=44, stream_id=2),
        spec("icmp", "::1", payload_bytes=0, stream_id=3),
        spec("udp", port=reflector.port, stream_id=4),
        spec("tcp", port=reflector.port, stream_id=5),
    ]
    run = Run(*streams).finish()
    for stream in streams:
        assert (run.total("sent", stream.stream_id), run.total("received", stream.stream_id)) == (
            50,
            50,
        )
    assert run.total("duplicate") == 0
    assert run.total("reordered") < 10  # two processors may do it, but not to all behind the wrap
    for number in range(1, 6):
        mine = run.column("sequence")[run.column("stream_id") == number]
        assert sorted(mine.tolist()) == list(range(first, first + 50))


def test_unreachable_network_is_a_local_drop(needs_raw_sockets: None, two_hosts) -> None:
    with two_hosts.inside(two_hosts.a):
        run = Run(
            spec("icmp", "192.0.2.1"), spec("icmp", "10.99.0.2", stream_id=2), probes=20
        ).finish()
    assert run.total("not_sent", 1) == 20
    assert run.total("sent", 1) == 0
    assert run.total("received", 2) == 20
    assert run.engine.health().local_drops == {"ENETUNREACH": 20}


def test_probe_larger_than_the_interface_is_a_local_drop(two_hosts, needs_raw_sockets) -> None:
    with two_hosts.inside(two_hosts.a):
        run = Run(spec("icmp", "10.99.0.2", payload_bytes=1600), probes=5).finish()
    assert run.engine.health().local_drops == {"EMSGSIZE": 5}


def test_two_engines_on_one_address_keep_their_own_replies(
    needs_raw_sockets: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a program that is not ours holds our identifier: raw sockets hear all of it."""
    monkeypatch.setattr(Identifiers, "lease", lambda self: Identifier(4242, self))
    runs = [Run(spec("icmp"), probes=None), Run(spec("icmp"), probes=None)]
    for run in runs:
        run.engine.start()
    for run in runs:
        wait_until(lambda run=run: run.engine.health().spurious > 50)  # they run side by side
    for run in runs:
        run.engine.stop()
        assert run.total("sent") == run.total("received") > 0
        assert run.total("duplicate") == 0


def test_counting_goes_on_past_sixteen_bits(
    needs_raw_sockets: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    number_from((1 << 16) - 20, monkeypatch)
    run = Run(spec("icmp", interval_ms=1.0), probes=60).finish()
    assert (run.total("sent"), run.total("received")) == (60, 60)
    assert run.column("sequence").max() > 1 << 16


def test_flows_are_counted_apart(small_reflector) -> None:
    run = Run(spec("udp", port=small_reflector().port, flows=4), probes=40).finish()
    flows = np.concatenate([batch.flows.flow for batch in run.windows])
    sent = np.concatenate([batch.flows.sent for batch in run.windows])
    assert np.bincount(flows, sent).tolist() == [10, 10, 10, 10]


def test_a_stream_that_cannot_run_is_told_and_others_go_on(needs_raw_sockets: None) -> None:
    run = Run(spec("icmp"), spec("icmp", source="198.51.100.1", stream_id=2)).finish()
    ((refused, why),) = run.engine.health().refused.items()
    assert refused.stream_id == 2
    assert "198.51.100.1" in why.zh
    assert run.total("received") == 50
    assert OUTCOMES[0] == "received"


def test_timestamps_shifted_in_the_lab_shift_one_way_delays_only(small_reflector) -> None:
    shift_ns = 3_000_000_000
    run = Run(spec("udp", port=small_reflector().port), timestamp_shift_ns=shift_ns).finish()
    assert np.median(run.column("forward_ns")) == pytest.approx(-shift_ns, abs=1e8)
    assert np.median(run.column("backward_ns")) == pytest.approx(shift_ns, abs=1e8)
    assert 0 < np.median(run.column("rtt_ns")) < 1e8
