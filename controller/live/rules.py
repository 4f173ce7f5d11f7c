"""The demands of the map as the judge takes them: rules, each on a row of evidence, and pairs of
rows where two paths are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.judge.comparing import Compared, ComparisonPairs, more_windows
from controller.judge.evidence import (
    DIRECTIONS,
    KINDS,
    LIMITING_FACTORS,
    NO_DATA,
    RATIO_KINDS,
    STATISTICS,
    UNDECIDED,
    Judgements,
    Rules,
)
from probes.protocols.registry import protocol_names
from topology.model import Demand, Path, PlannedStream, Target

COMPARED_KINDS = ("comparison", "ipv6_parity")


def rules_of(demands: Sequence[Demand], row: NDArray[np.int64]) -> Rules:
    """Return the demands as columns; demand i is judged on row `row[i]` of evidence (-1: none)."""
    limits = np.array([_limits(demand) for demand in demands], np.float64).reshape(-1, 3)
    targets = [demand.target for demand in demands]
    return Rules(
        row=row,
        kind=_codes(KINDS, [kind_of(target) for target in targets]),
        direction=_codes(DIRECTIONS, [target.direction for target in targets]),
        statistic=_codes(STATISTICS, [target.statistic for target in targets]),
        limit=limits[:, 0],
        limit_low=limits[:, 1],
        limit_high=limits[:, 2],
        impossible=np.array([demand.impossible for demand in demands], np.bool_),
    )


def candidates_of(demands: Sequence[Demand], streams: Sequence[PlannedStream]) -> NDArray[np.int64]:
    """Return the rows of the streams that each demand may be judged on, -1 for none.

    int64[m, k], in the order of protocols that the demand's target gives.
    """
    rows = _first_rows(streams)
    candidates = np.full((len(demands), len(protocol_names())), -1, np.int64)
    for i, demand in enumerate(demands):
        path = demand.path.id
        names = dict.fromkeys(demand.target.protocols)
        found = [rows[path, name] for name in names if (path, name) in rows]
        candidates[i, : len(found)] = found
    return candidates


def chosen(
    candidates: NDArray[np.int64], sent: NDArray[np.int64], fresh: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the row of evidence each demand is judged on: the first of its streams that has sent.

    Of those that have, one that is `fresh` (bool[n]) goes before one that is not. Where none has,
    the first planned one; -1 where no stream measures the path.
    """
    measured = (candidates >= 0) & (np.append(sent, 0)[candidates] > 0)
    worth = measured + (measured & np.append(fresh, False)[candidates]).astype(np.int8)
    choice = np.argmax(worth, axis=1)  # the first of the greatest
    answer: NDArray[np.int64] = candidates[np.arange(len(candidates)), choice]
    return answer


def kind_of(target: Target) -> str:
    """Return a target's kind as the judge names it."""
    return "pdv" if target.kind == "variation" and target.variation == "pdv" else target.kind


def _limits(demand: Demand) -> tuple[float, float, float]:
    """Return (limit, low, high); NaN where the demand has none."""
    is_ratio = demand.target.kind in ("loss", *RATIO_KINDS)
    limit = demand.limit_ratio if is_ratio else demand.limit_ns
    if limit is None:
        return (np.nan, np.nan, np.nan)
    low, high = demand.limit_low_ns, demand.limit_high_ns
    return (limit, limit if low is None else low, limit if high is None else high)


def _codes(names: Sequence[str], values: Sequence[str]) -> NDArray[np.int8]:
    return np.array([names.index(value) for value in values], np.int8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparisons:
    """k demands that compare: `demand` int64[k] their rows, candidates by protocol int64[k, p].

    place: demand row -> number among the k. own, other: rows of streams, -1 where none runs.
    """

    demand: NDArray[np.int64]
    place: dict[int, int]
    own: NDArray[np.int64]
    other: NDArray[np.int64]
    asked: ComparisonPairs

    def linked(self) -> NDArray[np.int64]:
        """Return pairs of rows that are judged together, int64[l, 2]."""
        rows = np.concatenate([self.own, self.other], axis=1)
        one = np.broadcast_to(rows.max(axis=1, initial=-1, keepdims=True), rows.shape)
        pairs = np.stack([one, rows], axis=-1).reshape(-1, 2)
        return pairs[(pairs >= 0).all(axis=1)]

    def chosen(self, sent: NDArray[np.int64], fresh: NDArray[np.bool_]) -> ComparisonPairs:
        """Return the comparisons on the first protocol that both paths have sent.

        One that is `fresh` (bool[n]) on both goes before one that is not.
        """
        runs = self._run(sent > 0)
        choice = np.argmax(runs + self._run((sent > 0) & fresh).astype(np.int8), axis=1)
        at = np.arange(len(choice))
        return ComparisonPairs(
            own=self.own[at, choice],
            other=self.other[at, choice],
            statistic=self.asked.statistic,
            of_loss=self.asked.of_loss,
            limit=self.asked.limit,
            parity=self.asked.parity,
            loss_margin=self.asked.loss_margin,
        )

    def _run(self, streams: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return by protocol where both paths are among `streams`, or the one that is alone."""
        padded = np.append(streams, False)
        lone = self.other[:, :1] < 0
        both: NDArray[np.bool_] = padded[self.other] | (lone & (self.other < 0))
        both &= (self.own >= 0) & padded[self.own]
        return both


def comparisons_of(demands: Sequence[Demand], streams: Sequence[PlannedStream]) -> Comparisons:
    """Return the demands that compare paths, with the streams they may be judged on."""
    rows = _first_rows(streams)
    at = [i for i, demand in enumerate(demands) if demand.target.kind in COMPARED_KINDS]
    mine = [demands[i] for i in at]
    width = len(protocol_names())
    own, other = np.full((len(at), width), -1, np.int64), np.full((len(at), width), -1, np.int64)
    for number, demand in enumerate(mine):
        for column, protocol in enumerate(dict.fromkeys(demand.target.protocols)):
            own[number, column] = _row(rows, demand.path, protocol)
            other[number, column] = _row(rows, demand.other, protocol)
    return Comparisons(
        demand=np.array(at, np.int64),
        place={row: number for number, row in enumerate(at)},
        own=own,
        other=other,
        asked=ComparisonPairs(
            own=own[:, 0],
            other=other[:, 0],
            statistic=np.array([STATISTICS.index(d.target.statistic) for d in mine], np.int8),
            of_loss=np.array([d.target.indicator == "loss" for d in mine], np.bool_),
            limit=np.array([d.limit_ratio or 1.0 for d in mine], np.float64),
            parity=np.array([d.target.kind == "ipv6_parity" for d in mine], np.bool_),
            loss_margin=np.array([d.target.loss_margin_ratio for d in mine], np.float64),
        ),
    )


def _first_rows(streams: Sequence[PlannedStream]) -> dict[tuple[str, str], int]:
    """Return the row of the first stream of each path and protocol."""
    rows: dict[tuple[str, str], int] = {}
    for row, stream in enumerate(streams):
        rows.setdefault((stream.path.id, stream.type_p.protocol), row)
    return rows


def _row(rows: dict[tuple[str, str], int], path: Path | None, protocol: str) -> int:
    return -1 if path is None else rows.get((path.id, protocol), -1)


def put_comparisons(
    comparisons: Comparisons, asked: ComparisonPairs, found: Compared, judgements: Judgements
) -> None:
    """Write what was found of the comparisons, as they were asked, into `judgements`."""
    at, of_loss = comparisons.demand, asked.of_loss & ~asked.parity
    judgements.verdict[at] = found.verdict
    for name in ("low", "high"):
        column = np.where(
            of_loss, getattr(found.loss_ratio, name), getattr(found.delay_ratio, name)
        )
        getattr(judgements, name)[at] = column
    judgements.measured[at] = np.where(of_loss, found.loss_ratio.point, found.delay_ratio.point)
    judgements.sent[at], judgements.lost[at] = found.own_sent, found.own_lost
    judgements.limiting_factor[at] = np.where(
        found.verdict == UNDECIDED,
        LIMITING_FACTORS.index("samples"),
        np.where(
            found.verdict == NO_DATA,
            LIMITING_FACTORS.index("none"),
            LIMITING_FACTORS.index("value"),
        ),
    )
    more = more_windows(asked, found)
    with np.errstate(invalid="ignore", divide="ignore"):
        judgements.needed_samples[at] = np.ceil(more * found.own_sent / found.windows)
