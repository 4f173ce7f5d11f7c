"""Judges what is in memory, some streams at a time. Pure: slots of windows in, judgements out.

Whatever all streams are needed for at once (which clocks the mesh gives the lie, on which stream a
demand is judged) is based on a few figures of each; windows and histograms are merged, judged and
let go block by block (docs/decisions/rounds.md). Which streams share a block changes no verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from controller.judge.clock_faults import Closure, distrust
from controller.judge.comparing import Compared, ComparisonPairs, compare
from controller.judge.evidence import Evidence, Judgements, Rules
from controller.judge.judge import judge
from controller.live.rules import candidates_of, chosen, comparisons_of, put_comparisons, rules_of
from controller.live.states import nothing_returns
from controller.live.window_evidence import evidence_of, figure_columns, floors_ns
from controller.store.aggregate import Aggregate, blank, end_to_end, outlined, rows_of
from controller.store.merging import ROWS_AT_ONCE, in_blocks, merge
from topology.model import Demand, PlannedStream
from topology.network import Network

Integers = NDArray[np.int64]
Columns = TypeVar("Columns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What was found of n streams and m demands, each in the order of the controller's tuples.

    `aggregate` and `evidence` are outlines: all figures of a stream, of each distribution how many
    it holds, no windows. `newest_ns` int64[m]: where the newest window ends that each demand is
    based on, 0 where there is none. `figures` float64[n] each; `down` bool[n]: of which streams
    nothing returns; `compared` by the places of `Judge.comparisons`, None if nothing is.
    """

    aggregate: Aggregate
    evidence: Evidence
    clocks: Closure
    rules: Rules
    judgements: Judgements
    newest_ns: Integers
    figures: dict[str, NDArray[np.float64]]
    down: NDArray[np.bool_]
    compared: Compared | None


@dataclass(frozen=True, slots=True)
class _Block:
    """What was found of the streams `row`, of the demands and of the comparisons on them."""

    row: Integers
    demand: Integers
    comparison: Integers
    judgements: Judgements
    figures: dict[str, NDArray[np.float64]]
    down: NDArray[np.bool_]
    compared: Compared


class Judge:
    """What is demanded of which streams; put together once."""

    def __init__(
        self,
        network: Network,
        streams: Sequence[PlannedStream],
        demands: Sequence[Demand],
        permanent: int | None = None,
        rows_at_once: int = ROWS_AT_ONCE,
    ) -> None:
        """Demands are judged on the first `permanent` of the streams alone (all where None)."""
        judged = streams[:permanent]
        self._rows, self._rows_at_once = len(streams), rows_at_once
        self._candidates = candidates_of(demands, judged)
        self._rules = rules_of(demands, self._candidates[:, 0])
        self._floors_ns = floors_ns(network, streams)
        self.sites, self.ends = _ends_of(streams)
        self.comparisons = comparisons_of(demands, judged)
        self._blocks = blocks_of(self._rows, self.comparisons.linked(), rows_at_once)
        self._block_of = np.zeros(self._rows + 1, np.int64)  # the last: what is on no stream
        for number, block in enumerate(self._blocks):
            self._block_of[block] = number
        self._block_of[-1] = 0

    def judge(
        self,
        slots: Sequence[Aggregate],
        calibration_ns: NDArray[np.float64],
        fresh_ns: Integers | int = 0,
    ) -> Judged:
        """Judge all demands on slots in the order of time; calibration_ns float64[n].

        Streams whose newest window ended before `fresh_ns` ([n], or one for all) are judged only
        where there is no other.
        """
        aggregate = self._outline(slots)
        fresh = aggregate.counted_end_ns >= fresh_ns
        evidence, clocks = distrust(
            evidence_of(aggregate, calibration_ns, self._floors_ns), *self.ends, len(self.sites)
        )
        rules = replace(self._rules, row=chosen(self._candidates, evidence.sent, fresh))
        asked = self.comparisons.chosen(evidence.sent, fresh)
        found = [
            self._judge_block(number, slots, evidence, rules, asked)
            for number in range(len(self._blocks))
        ]
        rows = [block.row for block in found]
        demands = [block.demand for block in found]
        judgements = in_their_places([block.judgements for block in found], demands)
        compared = in_their_places(
            [block.compared for block in found], [block.comparison for block in found]
        )
        put_comparisons(self.comparisons, asked, compared, judgements)
        return Judged(
            aggregate=aggregate,
            evidence=evidence,
            clocks=clocks,
            rules=rules,
            judgements=judgements,
            newest_ns=self._newest_ns(aggregate.counted_end_ns, rules, asked),
            figures=in_their_places([block.figures for block in found], rows),
            down=in_their_places([block.down for block in found], rows),
            compared=compared if len(self.comparisons.demand) else None,
        )

    def _newest_ns(
        self, counted_end_ns: Integers, rules: Rules, asked: ComparisonPairs
    ) -> Integers:
        """Return how new the evidence of each demand is; of two paths compared, the older."""
        padded = np.append(counted_end_ns, 0)
        newest_ns = padded[rules.row]
        beside = np.where(asked.other < 0, np.iinfo(np.int64).max, padded[asked.other])
        newest_ns[self.comparisons.demand] = np.minimum(padded[asked.own], beside)
        return newest_ns

    def _outline(self, slots: Sequence[Aggregate]) -> Aggregate:
        aggregates = [outlined(blank(self._rows)), *slots]
        blocks = in_blocks(aggregates, self._rows, self._rows_at_once)
        return end_to_end([merge([outlined(one) for one in some], self._rows) for some in blocks])

    def _judge_block(
        self,
        number: int,
        slots: Sequence[Aggregate],
        outline: Evidence,
        rules: Rules,
        asked: ComparisonPairs,
    ) -> _Block:
        rows = self._blocks[number]
        aggregates = [replace(blank(len(rows)), row=rows), *(rows_of(slot, rows) for slot in slots)]
        aggregate = merge(aggregates, self._rows)
        evidence = evidence_of(aggregate, outline.calibration_ns[rows], outline.floor_ns[rows])
        evidence = replace(
            evidence,
            clock_bound_ns=outline.clock_bound_ns[rows],
            clock_doubt=outline.clock_doubt[rows],
        )
        demand = np.flatnonzero(self._block_of[rules.row] == number)
        comparison = np.flatnonzero(self._block_of[np.maximum(asked.own, asked.other)] == number)
        return _Block(
            row=rows,
            demand=demand,
            comparison=comparison,
            judgements=judge(evidence, rules.on(demand, rows)),
            figures=figure_columns(evidence),
            down=nothing_returns(aggregate.windows),
            compared=compare(evidence, aggregate.windows.start_ns, asked.on(comparison, rows)),
        )


def _ends_of(streams: Sequence[PlannedStream]) -> tuple[tuple[str, ...], tuple[Integers, Integers]]:
    """Return the sites (each has one clock) and, of every stream, its two ends' places in them."""
    pairs = [(stream.path.source.site, stream.path.destination.site) for stream in streams]
    place = {
        site: i for i, site in enumerate(dict.fromkeys(site for pair in pairs for site in pair))
    }
    ends = np.array([[place[site] for site in pair] for pair in pairs], np.int64).reshape(-1, 2)
    return tuple(place), (ends[:, 0], ends[:, 1])


def blocks_of(rows: int, linked: Integers, rows_at_once: int = ROWS_AT_ONCE) -> list[Integers]:
    """Return the rows of each block, ascending; every row is in one, and there is one at least.

    linked int64[k, 2]: pairs of rows that belong together. A block has about `rows_at_once` rows;
    more only where so many belong together.
    """
    if not len(linked):
        starts = range(0, max(rows, 1), rows_at_once)
        return [np.arange(low, min(low + rows_at_once, rows)) for low in starts]
    links = coo_array((np.ones(len(linked)), (linked[:, 0], linked[:, 1])), shape=(rows, rows))
    _, family = connected_components(links, directed=False)
    _, eldest = np.unique(family, return_index=True)  # each family stands where its first row does
    order = np.argsort(eldest[family], kind="stable")
    begins = np.flatnonzero(np.diff(eldest[family][order], prepend=-1))
    number = np.repeat(begins // rows_at_once, np.diff(begins, append=rows))  # of a family's block
    return [np.sort(block) for block in np.split(order, np.flatnonzero(np.diff(number)) + 1)]


def in_their_places(aggregates: Sequence[Columns], places: Sequence[Integers]) -> Columns:
    """Join structs of arrays (or dicts, or single arrays): row i of part p becomes places[p][i]."""
    order = np.argsort(np.concatenate(places))

    def joined(values: Sequence[Any]) -> Any:
        first = values[0]
        if isinstance(first, np.ndarray):
            return np.concatenate(values)[order]
        if isinstance(first, dict):
            return {name: joined([value[name] for value in values]) for name in first}
        names = [field.name for field in fields(first)]
        return type(first)(
            **{name: joined([getattr(value, name) for value in values]) for name in names}
        )

    answer: Columns = joined(aggregates)
    return answer
