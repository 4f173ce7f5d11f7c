"""Demands for an improvement: the last week by the hour, against the newest sealed baseline."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from controller.judge.evidence import FAIL, LIMITING_FACTORS, NO_DATA, UNDECIDED, Judgements
from controller.judge.improvement import (
    WEEK_NS,
    Cells,
    Improvement,
    delay_improvement,
    hour_of_week,
    loss_improvement,
)
from controller.live.memory import RecentWindows
from controller.live.sealed_baselines import Baseline, cells_of, no_cells, opened
from controller.store.aggregate import Aggregate, without_windows
from controller.store.merging import merge_by_blocks
from controller.store.records import BaselineRecord
from controller.store.rollup_blocks import Block
from foundation.errors import RemoteProtocolError
from foundation.text import Text
from probes.window import WindowBatch
from topology.model import Demand, PlannedStream

HOUR_NS = 3_600_000_000_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Improved:
    """What came of one round: demand row -> (what was found, the unit's number in it).

    `fault`: why the baseline that should be used cannot be.
    """

    baseline: Baseline | None
    fault: Text | None
    found: dict[int, tuple[Improvement, int]]


class BaselineComparator:
    """Keeps the last week of the streams that improvement targets speak of, hour by hour.

    About 1.5 kB per stream and hour; nothing where no target asks for an improvement.
    """

    def __init__(self, demands: Sequence[Demand], streams: Sequence[PlannedStream]) -> None:
        self.demand = [i for i, d in enumerate(demands) if d.target.kind == "improvement"]
        paths = {demands[i].path.id for i in self.demand}
        self.streams = [stream for stream in streams if stream.path.id in paths]
        self._ids = [stream.stream_id for stream in self.streams]
        self._kind = {
            i: (
                demands[i].target.statistic,
                demands[i].target.indicator == "loss",
                demands[i].target.direction,
            )
            for i in self.demand
        }
        self._limit = {i: demands[i].limit_ratio or 0.0 for i in self.demand}
        self._rows = np.flatnonzero([stream.path.id in paths for stream in streams])
        self._stream_ids = np.array([stream.stream_id for stream in streams], np.int64)
        self._hours = RecentWindows(self._ids, WEEK_NS, slots=168)
        self.baseline: Baseline | None = None
        self.fault: Text | None = None

    def use(self, records: Iterable[BaselineRecord]) -> None:
        """Compare with the newest of these that was sealed.

        If that is not what was sealed none is used: another one would be another promise.
        """
        newest = max(records, key=lambda each: each.sealed_ns, default=None)
        self.baseline = self.fault = None
        if newest is None:
            return
        try:
            self.baseline = opened(newest)
        except RemoteProtocolError as error:
            self.fault = error.text
            logger.error("%s", error)

    def add(self, batch: WindowBatch, excluded: NDArray[np.bool_] | None = None) -> None:
        """Take in the windows of one chunk, but for the streams `excluded`, bool[all streams]."""
        if self._ids:
            self._hours.add(batch, None if excluded is None else excluded[self._rows])

    def add_hour(self, start_ns: int, block: Block) -> None:
        """Take in an hour of an agent as the store has merged it."""
        self._hours.add_aggregate(start_ns, block.stream_id, block.aggregate)

    def compact(self) -> None:
        """Add up the aggregates of each hour now: for one thread that fills it and has it to
        itself.
        """
        snapshot = self._hours.snapshot()
        self._hours.replace(snapshot, self.merged(snapshot))

    def horizon_ns(self, now_ns: int) -> int:
        """Return the earliest start that counts now."""
        return self._hours.horizon_ns(now_ns)

    def snapshot(self, now_ns: int) -> dict[int, tuple[Aggregate, ...]]:
        """Return the hours; on the event loop."""
        self._hours.forget(now_ns)
        return self._hours.snapshot()

    def replace(
        self, snapshot: dict[int, tuple[Aggregate, ...]], merged: dict[int, Aggregate]
    ) -> None:
        """Put merged hours in place of their aggregates; on the event loop."""
        self._hours.replace(snapshot, merged)

    def merged(self, snapshot: dict[int, tuple[Aggregate, ...]]) -> dict[int, Aggregate]:
        """Return each hour as one aggregate without single windows. Pure."""
        rows = len(self._ids)
        return {
            slot: aggregates[0]
            if len(aggregates) == 1 and not len(aggregates[0].windows.sent)
            else merge_by_blocks([without_windows(aggregate) for aggregate in aggregates], rows)
            for slot, aggregates in snapshot.items()
        }

    def judge(
        self,
        hours: dict[int, Aggregate],
        row: NDArray[np.int64],
        judgements: Judgements,
        doubted: NDArray[np.bool_],
    ) -> Improved:
        """Judge the improvement demands on streams `row[i]` and write it into `judgements`.

        `doubted` bool[all streams]: whose clocks are found out, so that no one-way delay counts.
        """
        baseline = self.baseline
        found: dict[int, tuple[Improvement, int]] = {}
        if baseline is None or not self.demand:
            return Improved(baseline=baseline, fault=self.fault, found=found)
        later = {s: p for s, p in hours.items() if s * HOUR_NS >= baseline.record.to_ns}
        for kind in sorted(set(self._kind.values())):
            mine = np.array([i for i in self.demand if self._kind[i] == kind])
            measured = mine[row[mine] >= 0]
            self._judge_kind(baseline, later, kind, measured, row, judgements, found, doubted)
        return Improved(baseline=baseline, fault=self.fault, found=found)

    def _judge_kind(
        self,
        baseline: Baseline,
        hours: dict[int, Aggregate],
        kind: tuple[str, bool, str],
        at: NDArray[np.int64],
        row: NDArray[np.int64],
        judgements: Judgements,
        found: dict[int, tuple[Improvement, int]],
        doubted: NDArray[np.bool_],
    ) -> None:
        statistic, of_loss, direction = kind
        ids = self._stream_ids[row[at]]
        base = _renumbered(baseline.cells(statistic, direction), baseline.stream_ids, ids)
        now = _renumbered(_joined(hours, statistic, direction), self._ids, ids)
        if direction == "one_way":
            refuted = doubted[row[at]][now.unit]
            now = replace(now, bound_ns=np.where(refuted, np.nan, now.bound_ns))
        limit = np.array([self._limit[int(i)] for i in at])
        judged = (loss_improvement if of_loss else delay_improvement)(base, now, len(at), limit)
        clockless = np.zeros(len(at), np.bool_)
        if direction == "one_way" and not of_loss:
            clockless = (judged.cells == 0) & (judged.common > 0) & (judged.verdict != FAIL)
        judgements.verdict[at] = np.where(clockless, UNDECIDED, judged.verdict)
        judgements.measured[at] = judged.ratio.point
        judgements.low[at], judgements.high[at] = judged.ratio.low, judged.ratio.high
        judgements.sent[at], judgements.lost[at] = judged.sent, judged.lost
        judgements.limiting_factor[at] = np.where(
            judged.verdict == UNDECIDED,
            LIMITING_FACTORS.index("samples"),
            np.where(
                judged.verdict == NO_DATA,
                LIMITING_FACTORS.index("none"),
                LIMITING_FACTORS.index("value"),
            ),
        )
        judgements.limiting_factor[at[clockless]] = LIMITING_FACTORS.index("clock")
        found.update({int(i): (judged, unit) for unit, i in enumerate(at)})


def _joined(hours: dict[int, Aggregate], statistic: str, direction: str) -> Cells:
    """Return the hours as cells. An hour of the week occurs once within a week."""
    cells = [
        cells_of(aggregate, statistic, int(hour_of_week(np.array(slot * HOUR_NS))), direction)
        for slot, aggregate in sorted(hours.items())[-168:]
    ]
    aggregates = [no_cells(), *cells]
    return Cells(
        **{
            field.name: np.concatenate([getattr(each, field.name) for each in aggregates])
            for field in fields(Cells)
        }
    )


def _renumbered(cells: Cells, ids: Sequence[int], wanted: NDArray[np.int64]) -> Cells:
    """Return the cells of the streams `wanted`, their units numbered by their place in it."""
    place = {int(stream): number for number, stream in enumerate(wanted)}
    number = np.array([place.get(int(stream), -1) for stream in ids], np.int64)
    unit = number[cells.unit] if len(number) else cells.unit
    kept = unit >= 0
    taken = {field.name: getattr(cells, field.name)[kept] for field in fields(Cells)}
    return Cells(**taken | {"unit": unit[kept]})
