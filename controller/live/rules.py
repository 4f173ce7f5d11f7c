"""The demands of the map as the judge takes them: rules, each on a row of evidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from controller.judge.evidence import DIRECTIONS, KINDS, RATIO_KINDS, STATISTICS, Rules
from probes.protocols.registry import protocol_names
from topology.model import Demand, PlannedStream, Target


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
    rows: dict[tuple[str, str], int] = {}
    for row, stream in enumerate(streams):
        rows.setdefault((stream.path.id, stream.type_p.protocol), row)
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
