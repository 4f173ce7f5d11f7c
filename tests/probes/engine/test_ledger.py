"""Pacing, ledger, direction of loss, windows and the time scale: no socket, no clock."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.engine.accumulate import OUTCOMES, WAS_NOT_SENT, Finished, Window
from probes.engine.direction import BACKWARD, FORWARD, UNKNOWN, directions_of_loss
from probes.engine.ledger import LOST, ON_TIME, Ledger
from probes.engine.pacing import NEVER_NS, Pacer

SECOND = 1_000_000_000


def pacer(count: int, *, poisson: bool = False, probes: int | None = None, seed: int = 1) -> Pacer:
    made = Pacer(np.random.default_rng(seed))
    made.add(0, np.full(count, 1e9), np.full(count, 0.1), np.full(count, poisson), probes)
    return made


def test_periodic_probes_keep_their_interval_and_jitter() -> None:
    streams = pacer(50)
    planned: dict[int, list[int]] = {row: [] for row in range(50)}
    for now_ns in range(0, 30 * SECOND, 10_000_000):
        due = streams.take(now_ns)
        for row, at in zip(due.stream, due.planned_ns, strict=True):
            planned[row].append(at)
    for times in planned.values():
        assert len(times) in (29, 30)
        gaps = np.diff(times) / 1e9
        assert (abs(gaps - 1) <= 0.1 + 1e-9).all()
    assert streams.skipped == 0


def test_streams_never_fall_into_step() -> None:
    streams = pacer(1_000)
    batches = [len(streams.take(now_ns).stream) for now_ns in range(0, 5 * SECOND, 10_000_000)]
    assert max(batches[1:]) < 40  # ten on the mean


def test_poisson_gaps_have_the_right_mean_and_spread() -> None:
    streams = pacer(1, poisson=True)
    times = []
    while len(times) < 4_000:
        times += streams.take(streams.next_due_ns()).planned_ns.tolist()
    gaps = np.diff(times) / 1e9
    assert gaps.mean() == pytest.approx(1, rel=0.1)
    assert gaps.std() == pytest.approx(1, rel=0.1)


def test_a_sender_that_fell_behind_sends_no_burst() -> None:
    streams = pacer(1)
    streams.take(SECOND)
    assert len(streams.take(60 * SECOND).stream) == 1
    assert streams.next_due_ns() > 59 * SECOND
    assert streams.skipped >= 57


def test_streams_end_after_their_probes() -> None:
    streams = pacer(3, probes=2)
    sent = sum(len(streams.take(now * SECOND // 4).stream) for now in range(40))
    assert sent == 6
    assert streams.finished()
    assert streams.next_due_ns() == NEVER_NS


def ledger_with(sequences: int) -> tuple[Ledger, np.ndarray]:
    """A ledger with one session that has sent `sequences` probes; returns their rows."""
    ledger = Ledger(SECOND)
    session = ledger.add_sessions([0], [0], np.array([SECOND]), np.array([SECOND / sequences]))
    rows = []
    for _ in range(sequences):
        row, number = ledger.claim(session)
        ledger.enter(row, number, session, sent_ns=0, check=number.astype(np.uint64))
        rows.append(row[0])
    return ledger, np.array(rows)


def answer(ledger: Ledger, sequence: list[int], bits: int = 16):
    number = np.array(sequence)
    low = number & ((1 << bits) - 1)
    matched = ledger.match(np.zeros(len(number), np.int64), low, bits, number.astype(np.uint64))
    ledger.rows["state"][matched.row] = ON_TIME
    return matched


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(1, 21)), st.sets(st.integers(1, 20)))
def test_every_answer_finds_its_probe_once_in_any_order(order: list[int], twice: set[int]) -> None:
    ledger, _ = ledger_with(20)
    matched = answer(ledger, order + sorted(twice))
    assert sorted(ledger.rows["sequence"][matched.row]) == list(range(1, 21))
    assert sorted(ledger.rows["sequence"][matched.repeated]) == sorted(twice)
    highest, reordered = 0, set()
    for number in order:
        if number < highest:
            reordered.add(number)
        highest = max(highest, number)
    late = ledger.rows["sequence"][matched.row[matched.reordered]]
    assert set(late) == reordered


def test_wrong_check_or_unknown_number_is_spurious() -> None:
    ledger, _ = ledger_with(4)
    wrong = ledger.match(np.zeros(1, np.int64), np.array([2]), 16, np.array([99], np.uint64))
    unknown = ledger.match(np.zeros(1, np.int64), np.array([77]), 16, np.array([77], np.uint64))
    assert (wrong.spurious, len(wrong.row), unknown.spurious, len(unknown.row)) == (1, 0, 1, 0)


@pytest.mark.parametrize("start", [(1 << 16) - 3, (1 << 32) - 3, (1 << 40) + 5])
def test_numbers_longer_than_the_field_are_told_by_their_low_bits(start: int) -> None:
    ledger = Ledger(SECOND)
    session = ledger.add_sessions([0], [0], np.array([SECOND]), np.array([1e8]))
    ledger.sessions["next"] = start
    for _ in range(6):
        row, number = ledger.claim(session)
        ledger.enter(row, number, session, sent_ns=0, check=number.astype(np.uint64))
    matched = answer(ledger, [start + 5, start], bits=16)
    assert ledger.rows["sequence"][matched.row].tolist() == [start + 5, start]


def test_rings_of_all_lengths_share_no_row_and_are_emptied_one_by_one() -> None:
    ledger = Ledger(SECOND)
    for gaps in ([1e8, 1e9, 1e8, 1e7], [1e8, 1e6]):
        count = len(gaps)
        ledger.add_sessions([0] * count, [0] * count, np.full(count, SECOND), np.array(gaps))
    rings = (ledger.sessions["mask"] + 1).tolist()
    for session, ring in enumerate(rings):
        for _ in range(ring):
            row, number = ledger.claim(np.array([session]))
            ledger.enter(
                row, number, np.array([session]), sent_ns=0, check=number.astype(np.uint64)
            )
    held = np.bincount(ledger.rows["session"][ledger.rows["sequence"] > 0], minlength=len(rings))
    assert held.tolist() == rings
    ledger.forget(np.array([2]))
    held = np.bincount(ledger.rows["session"][ledger.rows["sequence"] > 0], minlength=len(rings))
    assert held.tolist() == [*rings[:2], 0, *rings[3:]]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["ok", "forward", "backward"]), min_size=1, max_size=30))
def test_losses_between_two_answers_are_split_exactly(middle: list[str]) -> None:
    outcomes = ["forward", "ok", *middle, "ok"]
    ledger, rows = ledger_with(len(outcomes))
    reflector = 0
    for row, outcome in zip(rows, outcomes, strict=True):
        ledger.rows["state"][row] = ON_TIME if outcome == "ok" else LOST
        if outcome != "forward":
            ledger.rows["reflector"][row] = reflector if outcome == "ok" else -1
            reflector += 1
    ledger.sessions["stateful"] = True
    lost = rows[[i for i, outcome in enumerate(outcomes) if outcome != "ok" and i > 0]]
    found = directions_of_loss(ledger, lost)
    assert (found == FORWARD).sum() == middle.count("forward")
    assert (found == BACKWARD).sum() == middle.count("backward")


def test_a_restarted_reflector_leaves_the_direction_unknown() -> None:
    ledger, rows = ledger_with(5)
    ledger.rows["state"][rows] = [ON_TIME, ON_TIME, LOST, ON_TIME, ON_TIME]
    ledger.rows["reflector"][rows] = [7, 8, -1, 0, 1]
    ledger.sessions["stateful"] = True
    assert directions_of_loss(ledger, rows[2:3]).tolist() == [UNKNOWN]


def finished(stream, flow, outcome, rtt_ns) -> Finished:
    n = len(stream)
    nothing = np.full(n, np.nan)
    return Finished(
        window=np.zeros(n, np.int64), stream=np.asarray(stream, np.int32),
        flow=np.asarray(flow, np.uint16), sequence=np.arange(n), sent_wall_ns=np.zeros(n, np.int64),
        send_lag_ns=np.zeros(n, np.float32), rtt_ns=np.asarray(rtt_ns, np.float64),
        forward_ns=nothing, backward_ns=nothing, bound_ns=nothing, variation_ns=nothing,
        hops_forward=nothing.astype(np.float16), ttl=np.zeros(n, np.uint8),
        tos=np.zeros(n, np.uint8), tos_forward=np.full(n, -1, np.int16),
        tos_backward=np.full(n, -1, np.int16),
        outcome=np.asarray(outcome, np.uint8), timestamping=np.full(n, 2, np.uint8),
        answer=np.zeros(n, np.uint8), reordered=np.zeros(n, np.bool_),
        cause=np.zeros(n, np.int32),
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 6), st.integers(1, 10**9)),
        min_size=1,
        max_size=60,
    )
)
def test_windows_account_for_every_probe(probes: list[tuple[int, int, int, int]]) -> None:
    stream, flow, outcome, rtt = (np.array(column) for column in zip(*probes, strict=True))
    window = Window(0, SECOND)
    window.add(finished(stream, flow, outcome, rtt))
    batch = window.close(SECOND, np.arange(100, 105, dtype=np.uint64))
    counters = {name: column.astype(int) for name, column in batch.counters.items()}
    assert (batch.known() == counters["received"] + batch.lost()).all()
    for place, stream_id in enumerate(batch.stream_id):
        mine = stream == int(stream_id) - 100
        for number, name in enumerate(OUTCOMES[:WAS_NOT_SENT]):
            assert counters[name][place] == (outcome[mine] == number).sum()
        assert batch.not_sent()[place] == (outcome[mine] == WAS_NOT_SENT).sum()
        good = rtt[mine & (outcome == 0)]
        assert batch.distributions["rtt"].totals()[place] == len(good)
        if len(good):
            assert batch.measures["rtt_max_ns"][place] == good.max()
        else:
            assert np.isnan(batch.measures["rtt_mean_ns"][place])
    sent = outcome != WAS_NOT_SENT
    assert batch.flows.sent.sum() == sent.sum()
    for place in range(batch.rows):
        for entry in range(*batch.flows.indptr[place : place + 2]):
            mine = (stream == int(batch.stream_id[place]) - 100) & (flow == batch.flows.flow[entry])
            good = rtt[mine & (outcome == 0)]
            expected = np.quantile(good, 0.5, method="inverted_cdf") if len(good) else np.nan
            np.testing.assert_equal(batch.flows.rtt_p50_ns[entry], expected)
