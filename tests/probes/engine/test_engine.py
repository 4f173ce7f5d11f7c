"""The engine on real packets: loopback, a veth pair, and a reflector that misbehaves on request."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import threading
import time

import numpy as np
import pytest
from patience import finish, give_up, wait_until

from probes.engine.accumulate import FATES
from probes.engine.engine import Engine, SampleBatch
from probes.engine.ledger import Ledger
from probes.engine.roster import Roster
from probes.exchange import ReflectorSpec
from probes.reflector.reflector import Reflector
from probes.sockets.opening import OpenSocket, open_icmp
from probes.stream import StreamSpec, TypeP
from probes.tcp import SYN_LIMIT_NS
from probes.window import WindowBatch

pytestmark = pytest.mark.network
WINDOW_NS = 100_000_000


HMAC = {"mode": "authenticated"}


def spec(protocol: str, destination: str = "127.0.0.1", **more: object) -> StreamSpec:
    kind = {
        name: more.pop(name) for name in ("port", "payload_bytes", "dscp", "mode") if name in more
    }
    type_p = TypeP(protocol=protocol, ip_version=6 if ":" in destination else 4, **kind)
    settings = {"stream_id": 1, "interval_ms": 2.0, "timeout_ms": 30_000.0} | more
    return StreamSpec(destination=destination, type_p=type_p, **settings)


class Run:
    """One engine run to its end, and all that it told."""

    def __init__(self, *specs: StreamSpec, probes: int | None = 50, **more: object) -> None:
        self.windows: list[WindowBatch] = []
        self.samples: list[SampleBatch] = []
        self.engine = Engine(
            specs,
            window_ns=WINDOW_NS,
            on_windows=self.windows.append,
            on_samples=self.samples.append,
            probes_per_stream=probes,
            **more,
        )

    def finish(self, *, answered: int | None = None) -> Run:
        self.engine.start()
        finish(self.engine, answered=answered)
        return self

    def total(self, name: str, stream_id: int | None = None) -> int:
        total = 0
        for batch in self.windows:
            chosen = slice(None) if stream_id is None else batch.stream_id == stream_id
            total += int(batch.counters[name][chosen].sum())
        return total

    def column(self, name: str) -> np.ndarray:
        return np.concatenate([getattr(batch, name) for batch in self.samples])


def assert_every_probe_has_one_fate(run: Run) -> None:
    for batch in run.windows:
        parts = ("received", "late", "lost_forward", "lost_backward", "lost_unknown")
        total = sum(batch.counters[name].astype(np.int64) for name in parts)
        assert (batch.counters["sent"] == total).all()
        sent = np.bincount(
            np.repeat(np.arange(batch.rows), np.diff(batch.flows.indptr)),
            batch.flows.sent,
            batch.rows,
        )
        assert (sent == batch.counters["sent"]).all()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("payload_bytes", [0, 5, 44, 1200])
def test_echo_is_answered_with_kernel_stamps(
    needs_raw_sockets: None, host: str, payload_bytes: int
) -> None:
    run = Run(spec("icmp", host, payload_bytes=payload_bytes)).finish()
    assert (run.total("sent"), run.total("received")) == (50, 50)
    assert run.engine.health().stamping == "kernel"
    rtt_ns = run.column("rtt_ns")
    assert (rtt_ns > 0).all()
    assert rtt_ns.min() < 1_000_000
    assert_every_probe_has_one_fate(run)


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
    assert_every_probe_has_one_fate(run)


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
    threading.Event().wait(0.03)  # outlast the waiting limit
    reflector.release()
    finish(run.engine)
    assert (run.total("late"), run.total("received")) == (4, 0)
    assert_every_probe_has_one_fate(run)
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
    assert starts == sorted(set(starts))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_open_closed_and_silent_tcp_ports_are_told_apart(
    needs_raw_sockets: None, two_hosts, host: str
) -> None:
    far = "10.99.0.2" if host == "127.0.0.1" else "fd99::2"
    drop = "table inet t { chain c { type filter hook input priority 0; tcp dport 99 drop; }; }"
    two_hosts.sh_in(two_hosts.b, "nft", "-f", "-", stdin=drop)
    with two_hosts.inside(two_hosts.b):
        server = socket.create_server(
            (far, 80), family=socket.AF_INET6 if ":" in far else socket.AF_INET
        )
    for name in (two_hosts.a, two_hosts.b):
        two_hosts.sh_in(name, "ip", "neigh", "flush", "dev", "v")
    with server, two_hosts.inside(two_hosts.a):
        streams = [spec("tcp", far, port=port, stream_id=port) for port in (80, 81, 99)]
        run = Run(*streams, probes=20).finish(answered=40)
    answer, stream = run.column("answer"), run.column("stream_id")
    # Over IPv6 the first SYNs wait for neighbour discovery and then arrive all at once: every
    # second one meets a half-open connection and is answered with RST.
    assert set(answer[stream == 80]) == {2}
    assert set(answer[stream == 81]) == {3}
    assert set(answer[stream == 99]) == {0}
    assert run.total("lost_unknown", 99) == 20


@pytest.mark.parametrize("far", ["10.99.0.2", "fd99::2"])
def test_a_syn_ack_sent_again_is_neither_a_delay_nor_a_duplicate(
    needs_raw_sockets: None, two_hosts, far: str
) -> None:
    syn_ack_bytes = 44 if far == "10.99.0.2" else 64
    lose = f"""table inet t {{
        chain out {{ type filter hook output priority 0; tcp flags rst drop; }}
        chain in {{ type filter hook input priority 0;
            tcp sport 82 quota until {syn_ack_bytes} bytes drop; }}
    }}"""  # no RST ends a half-open connection, and the first SYN-ACK of port 82 is lost
    two_hosts.sh_in(two_hosts.a, "nft", "-f", "-", stdin=lose)
    family = socket.AF_INET6 if ":" in far else socket.AF_INET
    with two_hosts.inside(two_hosts.b):
        servers = [socket.create_server((far, port), family=family) for port in (80, 82)]
    with contextlib.ExitStack() as stack, two_hosts.inside(two_hosts.a):
        for server in servers:
            stack.enter_context(server)
        streams = [spec("tcp", far, port=p, stream_id=p) for p in (80, 82)]
        run = Run(*streams, probes=1).finish()
    assert (run.total("received", 80), run.total("duplicate", 80)) == (1, 0)
    assert (run.total("received", 82), run.total("late", 82)) == (0, 1)
    assert np.nanmax(run.column("rtt_ns")[run.column("fate") == 0]) < SYN_LIMIT_NS


@pytest.mark.parametrize("host", ["10.99.0.2", "fd99::2"])
def test_tcp_probes_follow_a_change_of_the_address_they_leave_from(
    needs_raw_sockets: None, two_hosts, host: str
) -> None:
    v6 = ":" in host
    prefix, other = ("fd99::/64", "fd99::3") if v6 else ("10.99.0.0/24", "10.99.0.3")
    route = ("ip", *(("-6",) if v6 else ()), "route")
    two_hosts.sh_in(two_hosts.a, "ip", "addr", "add", f"{other}/{128 if v6 else 32}",
                    "dev", "v", *(("nodad",) if v6 else ()))  # fmt: skip
    with two_hosts.inside(two_hosts.a):
        run = Run(spec("tcp", host, port=81), probes=None)
        run.engine.start()
        wait_until(lambda: run.engine.health().probes_received > 5)
        two_hosts.sh_in(two_hosts.a, *route, "replace", prefix, "dev", "v", "src", other,
                        *(("metric", "1") if v6 else ()))  # fmt: skip
        threading.Event().wait(0.2)  # the engine hears of it within 50 ms
        before = run.engine.health().probes_sent
        answered = run.engine.health().probes_received
        wait_until(lambda: run.engine.health().probes_sent > before + 20)
        wait_until(lambda: run.engine.health().probes_received >= answered + 20)
        run.engine.stop(wait_for_replies=False)


@pytest.mark.parametrize("first", [(1 << 16) - 20, (1 << 32) - 20])
def test_counting_goes_on_where_the_numbers_in_packets_wrap(
    needs_raw_sockets: None, small_reflector, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    begin = Ledger.begin

    def begin_late(book: Ledger, session: np.ndarray, *more: object) -> None:
        begin(book, session, *more)
        book.sessions["next"][session] = first

    monkeypatch.setattr(Ledger, "begin", begin_late)
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
    assert run.total("local_drop", 1) == 20
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
    def same_ident(family: int, source: str | None, dscp: int, _: int) -> OpenSocket:
        return open_icmp(family, source, dscp, 4242)

    monkeypatch.setattr("probes.engine.roster.open_icmp", same_ident)
    runs = [Run(spec("icmp"), probes=None), Run(spec("icmp"), probes=None)]
    for run in runs:
        run.engine.start()
    for run in runs:
        wait_until(lambda run=run: run.engine.health().strays > 50)  # they run side by side
    for run in runs:
        run.engine.stop()
        assert run.total("sent") == run.total("received") > 0
        assert run.total("duplicate") == 0


def test_counting_goes_on_past_sixteen_bits(needs_raw_sockets: None) -> None:
    run = Run(spec("icmp", interval_ms=1.0), probes=60)
    run.engine._roster.ledger.add_sessions = starting_at(run.engine._roster.ledger, (1 << 16) - 20)
    run.finish()
    assert (run.total("sent"), run.total("received")) == (60, 60)
    assert run.column("sequence").max() > 1 << 16


def starting_at(ledger, first: int):
    original = ledger.add_sessions

    def add(*arguments):
        sessions = original(*arguments)
        ledger.sessions["next"][sessions] = first
        return sessions

    return add


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
    assert_every_probe_has_one_fate(run)


def test_flows_are_counted_apart(small_reflector) -> None:
    run = Run(spec("udp", port=small_reflector().port, flows=4), probes=40).finish()
    flows = np.concatenate([batch.flows.flow for batch in run.windows])
    sent = np.concatenate([batch.flows.sent for batch in run.windows])
    assert np.bincount(flows, sent).tolist() == [10, 10, 10, 10]


def test_a_stream_that_cannot_run_is_told_and_others_go_on(needs_raw_sockets: None) -> None:
    run = Run(spec("icmp"), spec("icmp", source="198.51.100.1", stream_id=2)).finish()
    (condition,) = run.engine.health().conditions
    assert condition.code == "stream_refused"
    assert "198.51.100.1" in condition.text.zh
    assert run.total("received") == 50
    assert FATES[0] == "received"


def test_stamps_shifted_in_the_lab_shift_one_way_delays_only(small_reflector) -> None:
    shift_ns = 3_000_000_000
    run = Run(spec("udp", port=small_reflector().port), stamp_shift_ns=shift_ns).finish()
    assert np.median(run.column("forward_ns")) == pytest.approx(-shift_ns, abs=1e8)
    assert np.median(run.column("backward_ns")) == pytest.approx(shift_ns, abs=1e8)
    assert 0 < np.median(run.column("rtt_ns")) < 1e8


@pytest.mark.parametrize("payload_bytes", [44, 115, 152, 1200])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_authenticated_stamp_is_answered_under_the_same_key_alone(
    free_udp_port, host: str, payload_bytes: int
) -> None:
    key, other = bytes(range(32)), bytes(range(1, 33))
    place = ReflectorSpec(address=host, port=free_udp_port(host), peers=("127.0.0.1", "::1"))
    reflector = Reflector([place], own_clock_bound_ns=lambda: 500.0, hmac_key=key)
    reflector.start()
    try:
        right, wrong, without = (
            Run(
                spec("udp", host, port=place.port, payload_bytes=payload_bytes, **mode),
                probes=20,
                own_clock_bound_ns=lambda: 500.0,
                stamp_keys=given,
            )
            for given, mode in (({host: key}, HMAC), ({host: other}, HMAC), (None, {}))
        )
        for run in (right, wrong, without):
            run.engine.start()
        finish(right.engine)
        wait_until(lambda: reflector.counters().received == 60)
        for run in (wrong, without):
            give_up(run.engine)
            finish(run.engine)
    finally:
        reflector.stop()
    counters = reflector.counters()
    assert (counters.reflected, counters.forged + counters.malformed) == (20, 40)
    assert (right.total("sent"), right.total("received")) == (20, 20)
    assert (right.column("forward_ns") > 0).all()
    assert (right.column("backward_ns") > 0).all()
    for batch in right.windows:
        assert not np.isnan(batch.measures["clock_bound_ns"]).any()
    for run in (wrong, without):
        assert (run.total("sent"), run.total("received")) == (20, 0)


def test_new_keys_on_either_side_first_cost_no_probe(free_udp_port) -> None:
    old, new = bytes(range(32)), bytes(range(1, 33))
    place = ReflectorSpec(
        address="127.0.0.1",
        port=free_udp_port("127.0.0.1"),
        peers=("127.0.0.1",),
        authenticated=("127.0.0.1",),
    )
    reflector = Reflector(
        [place], own_clock_bound_ns=lambda: 500.0, stamp_keys={"127.0.0.1": (old,)}
    )
    reflector.start()
    stream = spec("udp", port=place.port, **HMAC)
    run = Run(stream, probes=None, stamp_keys={"127.0.0.1": old})
    try:
        run.engine.start()
        for keys, sending in (((new, old), old), ((new, old), new), ((new,), new)):
            # All that was sent under the key of before has had its answer by then.
            enough = run.engine.health().probes_sent + 100
            wait_until(lambda enough=enough: run.engine.health().probes_received >= enough)
            reflector.update([place], {"127.0.0.1": keys})
            run.engine.update([stream], {"127.0.0.1": sending})
        enough = run.engine.health().probes_received + 20
        wait_until(lambda: run.engine.health().probes_received >= enough)
        run.engine.stop()
    finally:
        reflector.stop()
    assert run.total("sent") == run.total("received") >= 80
    assert len(run.engine._roster.specs) == 1  # the same stream, never begun anew
    assert reflector.counters().forged == 0


def test_authenticated_stream_without_a_key_sends_nothing() -> None:
    run = Run(spec("udp", port=862, **HMAC)).finish()
    assert run.total("sent") == 0
    assert any("no key" in each.text.en for each in run.engine.health().conditions)


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
            # What is open now: two epoll sets, a bell, a watch of routes, one channel.
            assert open_descriptors() <= before + 5
    finally:
        engine.stop()
    assert sizes[1] == sizes[-1]
    assert sizes[-1][1:] == (6, 1)
    # The one that stays is not disturbed: its numbers go on, each with one fate.
    sequence = run.column("sequence")[run.column("stream_id") == 9]
    assert sorted(sequence) == list(range(1, run.total("sent", 9) + 1)) != []
    assert_every_probe_has_one_fate(run)


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
    assert not roster._by_key
    assert not roster._alike
