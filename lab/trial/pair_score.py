"""Pairs judged by the controller's code, and what it said held against what is true."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from controller.judge.comparing import Compared, ComparisonPairs
from controller.judge.evidence import STATISTICS
from controller.judge.improvement import (
    WEEK_NS,
    Cells,
    Improvement,
    delay_improvement,
    hour_of_week,
    loss_improvement,
)
from controller.judge.pairing import Interval
from controller.live.memory import RecentWindows
from controller.live.sealed_baselines import Baseline, SealRequest, cells_of, opened, seal
from lab.trial.pair_case import PairCase
from lab.trial.simulate import BEGIN_NS, evidence_with_starts, probes_of, windows_of
from lab.trial.textbook import Bounds, pair_bounds
from probes.stream import TypeP
from probes.window import WindowBatch
from topology.model import Interface, Path, PlannedStream

Comparison = Callable[..., Compared]
HOUR_NS = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of one pair: the verdict, the judged interval, and all intervals by kind.

    Each interval is (low, high, truth). textbook_bounds: what a textbook knows of the judged one.
    """

    verdict: int
    low: float
    high: float
    textbook_bounds: Bounds | None
    intervals: tuple[tuple[str, float, float, float], ...]


def answer_pairs(
    pairs: Sequence[PairCase], seed: int, compare: Comparison, at_once: int
) -> list[Answer]:
    """Simulate and judge pairs, so many at once; the answers are in their order."""
    answers: list[Answer] = []
    for first in range(0, len(pairs), at_once):
        answers += _answer_some(pairs[first : first + at_once], seed, first, compare)
    return answers


def _answer_some(
    pairs: Sequence[PairCase], seed: int, first: int, compare: Comparison
) -> list[Answer]:
    beside = [i for i, pair in enumerate(pairs) if pair.kind != "improvement"]
    after = [i for i, pair in enumerate(pairs) if pair.kind == "improvement"]
    answers: dict[int, Answer] = {}
    ask_beside = functools.partial(_beside, compare=compare)
    for places, ask in ((beside, ask_beside), (after, _after)):
        chosen = [pairs[i] for i in places]
        if chosen:
            answers.update(zip(places, ask(chosen, seed, first), strict=True))
    return [answers[i] for i in range(len(pairs))]


def _beside(pairs: Sequence[PairCase], seed: int, first: int, compare: Comparison) -> list[Answer]:
    """Compare two paths over the windows that both have."""
    sides = [side for pair in pairs for side in (pair.own, pair.other)]
    probes = probes_of(sides, seed, 2 * first)
    batches = windows_of(probes)
    evidence, start_ns = evidence_with_starts(sides, batches, range(len(sides)))
    own = np.arange(0, len(sides), 2)
    asked = ComparisonPairs(
        own=own,
        other=own + 1,
        statistic=np.array([STATISTICS.index(pair.own.statistic) for pair in pairs], np.int8),
        of_loss=np.array([pair.indicator == "loss" for pair in pairs]),
        limit=np.array([pair.limit for pair in pairs]),
        parity=np.array([pair.kind == "ipv6_parity" for pair in pairs]),
        loss_margin=np.array([pair.loss_margin for pair in pairs]),
    )
    found = compare(evidence, start_ns, asked)
    return [
        _answer_beside(pair, found, i, pair_bounds(pair, probes[2 * i], probes[2 * i + 1]))
        for i, pair in enumerate(pairs)
    ]


def _answer_beside(
    pair: PairCase, found: Compared, i: int, textbook_bounds: Bounds | None
) -> Answer:
    own_ns, other_ns = pair.delay_ns(pair.own), pair.delay_ns(pair.other)
    own_loss, other_loss = pair.loss(pair.own), pair.loss(pair.other)
    intervals = [
        _held("comparison_delay_ratio", found.delay_ratio, i, own_ns / other_ns),
        _held("comparison_delay_difference", found.delay_difference_ns, i, own_ns - other_ns),
        _held("comparison_loss_difference", found.loss_difference, i, own_loss - other_loss),
    ]
    if other_loss:
        intervals.append(_held("comparison_loss_ratio", found.loss_ratio, i, pair.loss_ratio))
    judged = found.loss_ratio if pair.indicator == "loss" else found.delay_ratio
    low, high = float(judged.low[i]), float(judged.high[i])
    if pair.kind == "ipv6_parity" and not low <= pair.limit < high:
        # What leaves it open is the loss, in points instead of a ratio: told on the limit's scale.
        scale = pair.limit / pair.loss_margin
        low, high = (
            scale * float(end[i]) for end in (found.loss_difference.low, found.loss_difference.high)
        )
    return Answer(int(found.verdict[i]), low, high, textbook_bounds, tuple(intervals))


def _held(kind: str, interval: Interval, i: int, truth: float) -> tuple[str, float, float, float]:
    return kind, float(interval.low[i]), float(interval.high[i]), truth


def _after(pairs: Sequence[PairCase], seed: int, first: int) -> list[Answer]:
    """Seal the first week, measure a second one, and judge the improvement."""
    then = probes_of([pair.other for pair in pairs], seed, first)
    now = probes_of([pair.own for pair in pairs], seed + 1, first)
    baseline = _sealed(windows_of(then, step_ns=HOUR_NS), len(pairs))
    week = _week(windows_of(now, BEGIN_NS + WEEK_NS, step_ns=HOUR_NS), len(pairs))
    books = [pair_bounds(*each) for each in zip(pairs, now, then, strict=True)]
    answers: dict[int, Answer] = {}
    for kind in {(pair.own.statistic, pair.indicator, pair.direction) for pair in pairs}:
        statistic, indicator, direction = kind
        mine = [
            i
            for i, pair in enumerate(pairs)
            if (pair.own.statistic, pair.indicator, pair.direction) == kind
        ]
        limit = np.array([pairs[i].limit for i in mine])
        ask = loss_improvement if indicator == "loss" else delay_improvement
        found = ask(
            _chosen(baseline.cells(statistic, direction), mine),
            _chosen(_cells(week, statistic, direction), mine),
            len(mine),
            limit,
        )
        answers |= {i: _answer_after(pairs[i], found, n, books[i]) for n, i in enumerate(mine)}
    return [answers[i] for i in range(len(pairs))]


def _answer_after(
    pair: PairCase, found: Improvement, i: int, textbook_bounds: Bounds | None
) -> Answer:
    of_loss = pair.indicator == "loss"
    truth = pair.loss_ratio if of_loss else pair.delay_ratio
    low, high = float(found.ratio.low[i]), float(found.ratio.high[i])
    interval = (f"improvement_{pair.indicator}", low, high, truth)
    return Answer(int(found.verdict[i]), low, high, textbook_bounds, (interval,))


def _sealed(batches: Sequence[WindowBatch], streams: int) -> Baseline:
    """Return the baseline as it is used after it was sealed and opened again."""
    request = SealRequest(name="trial", from_ns=BEGIN_NS, to_ns=BEGIN_NS + WEEK_NS)
    planned = [_stream(number) for number in range(streams)]
    return opened(seal(request, batches, planned, {"trial": 1}, BEGIN_NS + 2 * WEEK_NS))


def _stream(number: int) -> PlannedStream:
    ends = [
        Interface(id=f"{end}{number}", site=f"{end}{number}", carrier="c", address="192.0.2.1")
        for end in ("a", "b")
    ]
    return PlannedStream(
        stream_id=number,
        path=Path(source=ends[0], destination=ends[1]),
        type_p=TypeP(protocol="icmp", ip_version=4),
        interval_ms=1000.0,
        flows=1,
        timeout_ms=1000.0,
    )


def _week(batches: Sequence[WindowBatch], streams: int) -> RecentWindows:
    hours = RecentWindows(list(range(streams)), WEEK_NS, slots=168)
    for batch in batches:
        hours.add(batch)
    return hours


def _cells(hours: RecentWindows, statistic: str, direction: str) -> Cells:
    aggregates = hours.merged(hours.snapshot())
    return _joined(
        [
            cells_of(aggregate, statistic, int(hour_of_week(np.array(slot * HOUR_NS))), direction)
            for slot, aggregate in sorted(aggregates.items())
        ]
    )


def _joined(cells: Sequence[Cells]) -> Cells:
    return Cells(
        **{
            field.name: np.concatenate([getattr(each, field.name) for each in cells])
            for field in fields(Cells)
        }
    )


def _chosen(cells: Cells, units: Sequence[int]) -> Cells:
    """Return the cells of some units, numbered by their place among these."""
    place: NDArray[np.int64] = np.full(int(cells.unit.max(initial=0)) + 1, -1)
    for number, unit in enumerate(units):
        if unit < len(place):
            place[unit] = number
    numbers = place[cells.unit]
    kept = numbers >= 0
    taken = {field.name: getattr(cells, field.name)[kept] for field in fields(Cells)}
    return Cells(**taken | {"unit": numbers[kept]})
