"""From the outcomes of all probes to the figures, accounts and explanations of each target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.probe import reasons
from agent.probe.figures import FLOW_PERCENTILES, PERCENTILES, commonest, summaries
from agent.probe.findings import DscpMarks, Hops, by_target, causes_of, why_not_sent, why_of_no_use
from agent.probe.host_tables import HostTables
from agent.probe.result import FlowResult, Pace, TargetResult
from probes.channels.channel import FlowMark
from probes.channels.codec import ANSWERS
from probes.channels.discarded import DISCARDED, reason_of
from probes.engine.accumulate import LOST_FORWARD, OUTCOMES, UNREAD, WAS_NOT_SENT, hops_since
from probes.engine.engine import Engine
from probes.engine.report import SampleBatch
from probes.remark import Remark
from probes.window import TIMESTAMPING, WindowBatch

_RECEIVED, _LATE = OUTCOMES.index("received"), OUTCOMES.index("late")
_CLOSED = ANSWERS.index("closed")
_LEAST_KEPT_RATIO = 0.95  # of the rate asked for; less is told where this machine was late
_LATE_MOMENTS = 5  # so often: once may be a standstill


class ProbeOutcomes:
    """The probes of a run whose outcome is known, as columns; `target` numbers the results."""

    def __init__(self, batches: Sequence[SampleBatch]) -> None:
        self._batches = batches
        self.target = self.column("stream_id", np.int64)
        self.outcome = self.column("outcome", np.int64)
        self.cause = self.column("cause", np.int64)
        self.received = self.outcome == _RECEIVED

    def column(self, name: str, dtype: type[np.generic]) -> NDArray[Any]:
        """Return one column of all batches."""
        parts = [getattr(batch, name) for batch in self._batches]
        return np.concatenate(parts).astype(dtype) if parts else np.zeros(0, dtype)

    def counts(self, group: NDArray[np.int64], groups: int) -> NDArray[np.int64]:
        """Return how many probes of each group had each outcome, int64[groups, outcomes]."""
        kinds = len(OUTCOMES)
        counts = np.bincount(group * kinds + self.outcome, minlength=groups * kinds)
        return counts.reshape(groups, kinds)

    def delays(
        self,
        name: str,
        group: NDArray[np.int64],
        counts: NDArray[np.int64],
        percentiles: Mapping[str, float],
    ) -> list[dict[str, float]]:
        """Return the figures of a delay for each group."""
        known = counts[:, :UNREAD].sum(axis=1)
        delay_ns = self.column(name, np.float64)[self.received]
        columns = summaries(group[self.received], delay_ns, known, percentiles)
        keys, rows = list(columns), zip(*(each.tolist() for each in columns.values()), strict=True)
        return [dict(zip(keys, row, strict=True)) for row in rows]

    def hops(self, group: NDArray[np.int64], groups: int) -> list[Hops]:
        """Return how far away what answered is, of each group."""
        answered = group[self.received]
        ttl = commonest(answered, self.column("ttl", np.int64)[self.received], groups)
        there = np.nan_to_num(self.column("hops_forward", np.float64)[self.received], nan=-1.0)
        forward = commonest(answered, there.astype(np.int64) + 1, groups) - 1  # 0 hops are known
        back = np.nan_to_num(hops_since(ttl.astype(np.uint8)).astype(np.float64), nan=-1.0)
        rows = zip(ttl.tolist(), forward.tolist(), back.tolist(), strict=True)
        return [Hops(ttl=one or None, forward=_known(a), backward=_known(b)) for one, a, b in rows]


def _known(hops: float) -> int | None:
    return int(hops) if hops >= 0 else None


def count(results: list[TargetResult], outcomes: ProbeOutcomes) -> None:
    """Fill in counts, delays, timestamping and hops of targets."""
    targets, received = len(results), outcomes.received
    counts = outcomes.counts(outcomes.target, targets)
    worst = np.full(targets, len(TIMESTAMPING))
    timestamping = outcomes.column("timestamping", np.int64)
    np.minimum.at(worst, outcomes.target[received], timestamping[received])
    figures = {
        name: outcomes.delays(name, outcomes.target, counts, PERCENTILES)
        for name in ("rtt_ns", "forward_ns", "backward_ns")
    }
    hops = outcomes.hops(outcomes.target, targets)
    for number, result in enumerate(results):
        _fill(result, counts[number])
        result.hops = hops[number]
        result.timestamping = TIMESTAMPING[worst[number] % len(TIMESTAMPING)]
        for name, rows in figures.items():
            setattr(result, name, rows[number])


def count_flows(
    results: list[TargetResult],
    outcomes: ProbeOutcomes,
    marks: Mapping[int, Sequence[FlowMark]],
    flows: int,
) -> None:
    """Fill in what became of each flow; `marks` has those of the targets that were probed."""
    group, groups = (
        outcomes.target * flows + outcomes.column("flow", np.int64),
        len(results) * flows,
    )
    counts = outcomes.counts(group, groups)
    rtts = outcomes.delays("rtt_ns", group, counts, FLOW_PERCENTILES)
    hops = outcomes.hops(group, groups)
    for number, of in marks.items():
        for flow, mark in enumerate(of):
            at = number * flows + flow
            found = FlowResult(flow=flow, mark=mark, rtt_ns=rtts[at], hops=hops[at])
            _fill(found, counts[at])
            results[number].flows.append(found)


def _fill(result: TargetResult | FlowResult, counts: NDArray[np.int64]) -> None:
    result.sent = int(counts[:WAS_NOT_SENT].sum())
    result.received = int(counts[_RECEIVED])
    result.late = int(counts[_LATE])
    result.unread = int(counts[UNREAD])


def add_in_flight(result: TargetResult, counts: Sequence[int]) -> None:
    """Add the probes of each flow that a run which was ended early waited for no longer."""
    for of, count in [(result, sum(counts)), *zip(result.flows, counts, strict=True)]:
        of.in_flight = count
        of.sent += count


def add_windows(results: list[TargetResult], batches: Iterable[WindowBatch]) -> None:
    """Add what only windows tell: duplicates, and the bound of both ends' clocks."""
    bounds: dict[int, float] = {}
    for batch in batches:
        bound = batch.measures["clock_bound_ns"]
        for row, number in enumerate(batch.stream_id.tolist()):
            results[number].duplicate += int(batch.counters["duplicate"][row])
            if batch.counters["received"][row]:
                # One window whose clocks were not trusted (NaN) spoils the run's one-way delay.
                worst = np.maximum(bounds.get(number, 0.0), bound[row])
                bounds[number] = float(worst)
    for number, worst_ns in bounds.items():
        results[number].clock_bound_ns = worst_ns


def account(
    results: list[TargetResult],
    outcomes: ProbeOutcomes,
    *,
    planned: int,
    dscp: int,
    tables: HostTables,
) -> None:
    """Add what did not leave, what was of no use, and the DSCPs that were seen.

    `planned` is what each target was to be sent, 0 where the run was ended early.
    """
    unsent = outcomes.outcome == WAS_NOT_SENT
    lost = (outcomes.outcome >= LOST_FORWARD) & (outcomes.outcome < UNREAD)
    errors = by_target(outcomes.target[unsent], outcomes.cause[unsent])
    useless = lost & (outcomes.cause < 0)
    discarded = by_target(outcomes.target[useless], reason_of(outcomes.cause[useless]))
    marks = {way: outcomes.column(f"tos_{way}", np.int64) for way in ("forward", "backward")}
    seen = {
        way: by_target(outcomes.target[known], tos[known])
        for way, tos in marks.items()
        for known in [outcomes.received & (tos >= 0)]
    }
    for number, result in enumerate(results):
        result.not_sent = causes_of(errors.get(number, {}))
        result.asked = result.sent + sum(result.not_sent.values())
        if result.asked < planned:  # it was never begun
            result.not_sent["other"] = planned - result.asked
            result.asked = planned
        counts = discarded.get(number, {})
        result.discarded = {DISCARDED[reason]: count for reason, count in counts.items()}
        result.marks = DscpMarks(dscp, {way: seen[way].get(number, {}) for way in seen})
        why = why_not_sent(errors.get(number, {}), tables, some=bool(result.sent))
        if result.sent:
            result.remarks += why
        elif why:
            result.error = why[0]
        result.remarks += why_of_no_use(result.discarded, result.unread)
        result.remarks += result.marks.remarks(result.protocol)


def check_pace(
    results: list[TargetResult], late: Mapping[int, int], *, interval_ms: float, late_moments: int
) -> None:
    """Add how much was kept of the rate that was requested, and say so where it was too little.

    `late` has how many intervals of each target went by since this machine was late.
    """
    rate = 1000.0 / interval_ms
    for number, result in enumerate(results):
        intervals = result.asked + late.get(number, 0)
        if intervals:
            result.pace = Pace(rate, rate * result.sent / intervals)
    tried = [(result, late[number]) for number, result in enumerate(results) if number in late]
    asked = sum(result.asked for result, _ in tried)
    went_by = sum(intervals for _, intervals in tried)
    if late_moments < _LATE_MOMENTS or asked >= _LEAST_KEPT_RATIO * (asked + went_by):
        return
    told = reasons.too_fast(rate * len(tried), asked / (asked + went_by))
    for result, intervals in tried:
        if result.pace is not None and intervals:
            result.pace = Pace(rate, result.pace.sent_rate, late=True)
            result.remarks.append(told)


def explain(
    results: list[TargetResult],
    outcomes: ProbeOutcomes,
    engine: Engine,
    refused: Mapping[str, Remark],
) -> None:
    """Add why targets were not probed (`refused`, by address) or did not answer."""
    targets = len(results)
    cause = np.where(outcomes.received, 0, outcomes.cause)
    causes = commonest(outcomes.target, cause, targets).tolist()
    closed = outcomes.column("answer", np.int64) == _CLOSED
    open_ports = np.bincount(outcomes.target[outcomes.received & ~closed], minlength=targets)
    for number, result in enumerate(results):
        if result.error is not None:
            continue
        if result.received:
            if not open_ports[number]:
                result.remarks.append(reasons.closed(result.port))
        elif result.lost and not result.discarded:
            said = engine.cause(causes[number])
            told = reasons.unanswered(result.protocol, said, result.address, result.port)
            result.remarks += [told] if told is not None else []
        elif not result.sent:
            result.error = refused.get(str(result.address))
