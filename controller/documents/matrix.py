"""The worst verdict of every pair of sites, found by sorting, not by looking at each pair."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.judge.evidence import KINDS, VERDICTS
from probes.sockets.records import starts
from topology.model import VerdictName

if TYPE_CHECKING:
    from controller.live.live_verdicts import Round
    from controller.live.snapshot import Snapshot
    from foundation.clock import Clock

# From good to bad; the worst one stands for the pair.
_BADNESS = ("pass", "impossible", "no_data", "undecided", "fail")
BADNESS = np.array([_BADNESS.index(name) for name in VERDICTS], np.int8)
_UNITS = np.array(["ns", "ratio"], object)
LATELY_NS = 600_000_000_000
MOST_WATCHED = 4  # a matrix of 300 sites is 7.5 MB and 50 ms per round


class MatrixCell(msgspec.Struct, frozen=True, gc=False):
    """The worst verdict between two sites, over `paths` paths that a target selects.

    Made a hundred thousand at once: by position, and unseen by the garbage collector.
    """

    verdict: VerdictName
    paths: int
    measured: float | None
    unit: Literal["ns", "ratio"]
    maintenance: bool = False


class MatrixDocument(msgspec.Struct, frozen=True, kw_only=True):
    """`cells[i][j]` is from site i to site j; null where nothing is asked of that pair."""

    target: str | None
    sites: list[str]
    cells: list[list[MatrixCell | None]]


def matrix_of(now: Snapshot, target: str | None) -> MatrixDocument:
    """Return the matrix of one target, or of all."""
    latest, catalogue = now.round, now.scope.catalogue
    judgements = latest.judgements
    sites = list(catalogue.site_number)
    rows = np.arange(len(now.scope.demands))
    if target is not None:
        rows = rows[catalogue.demand_target == catalogue.target_number[target]]
    pair = catalogue.demand_source[rows] * len(sites) + catalogue.demand_destination[rows]
    paths = _paths_of_pairs(pair, catalogue.demand_path[rows], len(catalogue.paths), len(sites))
    chosen = _worst_of_each(pair, _weight(latest, rows), _excess(latest, rows))
    pair, rows = pair[chosen], rows[chosen]
    cells = map(
        MatrixCell,
        np.array(VERDICTS, object)[judgements.verdict[rows]].tolist(),
        paths[pair].tolist(),
        _known(judgements.measured[rows]),
        _UNITS[(latest.rules.kind[rows] == KINDS.index("loss")).astype(np.int8)].tolist(),
        latest.maintenance[rows].tolist(),
    )
    grid = np.full(len(sites) ** 2, None, object)
    grid[pair] = np.fromiter(cells, object, len(pair))
    square = grid.reshape(len(sites), len(sites)).tolist()
    return MatrixDocument(target=target, sites=sites, cells=square)


def _worst_of_each(
    pair: NDArray[np.int64], weight: NDArray[np.int8], excess: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return where each pair has its greatest weight, and of several the greatest excess."""
    order = np.argsort(pair, kind="stable")
    begins = starts(pair[order])
    if begins.all():
        return order
    first, group = np.flatnonzero(begins), np.cumsum(begins) - 1
    for key in (weight, excess):
        greatest = np.maximum.reduceat(key[order], first)
        is_greatest = key[order] == greatest[group]
        order, group = order[is_greatest], group[is_greatest]
        first = np.flatnonzero(starts(group))
    return order[first]


def _weight(latest: Round, rows: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return how bad a verdict is; in maintenance it stands for its pair only where it is alone."""
    badness = BADNESS[latest.judgements.verdict[rows]]
    return np.where(latest.maintenance[rows], badness, badness + len(BADNESS)).astype(np.int8)


def _excess(latest: Round, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of the limit that was measured: among equals the furthest over it."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share = latest.judgements.measured[rows] / latest.rules.limit[rows]
    return np.nan_to_num(share, nan=-1.0)


def _known(measured: NDArray[np.float64]) -> list[float | None]:
    values: list[float | None] = measured.tolist()
    for place in np.flatnonzero(~np.isfinite(measured)).tolist():
        values[place] = None
    return values


def _paths_of_pairs(
    pair: NDArray[np.int64], path: NDArray[np.int64], paths: int, sites: int
) -> NDArray[np.int64]:
    """Return how many different paths each pair of sites has, int64[sites²]."""
    of_path = np.full(paths, -1, np.int64)
    of_path[path] = pair  # a path is of one pair
    return np.bincount(of_path[of_path >= 0], minlength=sites * sites)


class Matrices:
    """The encoded matrices of the latest round, by target.

    That of all targets, and those of the targets that were requested lately, are rebuilt with
    each round before the listeners are told of it: whoever comes, or watches, finds them made.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._made: dict[str | None, tuple[tuple[int, int], bytes]] = {}
        self._asked_ns: dict[str | None, int] = {}
        self._lock = threading.Lock()  # who asks for what is being made waits for it

    def body(self, now: Snapshot, target: str | None) -> bytes:
        """Return the matrix of one target, or of all. May block for some tens of milliseconds."""
        with self._lock:
            self._asked_ns.pop(target, None)
            self._asked_ns[target] = self._clock.monotonic_ns()  # the latest stands last
            return self._of(now, target)

    async def renew(self, now: Snapshot) -> None:
        """Make ready what is requested; called once a round."""
        await asyncio.to_thread(self._renew, now)

    def _renew(self, now: Snapshot) -> None:
        with self._lock:
            since_ns = self._clock.monotonic_ns() - LATELY_NS
            lately = {of: at_ns for of, at_ns in self._asked_ns.items() if at_ns >= since_ns}
            self._asked_ns = dict(list(lately.items())[-MOST_WATCHED:])
            wanted = {None, *self._asked_ns}
            self._made = {of: made for of, made in self._made.items() if of in wanted}
        for target in wanted:
            with self._lock:
                self._of(now, target)

    def _of(self, now: Snapshot, target: str | None) -> bytes:
        wanted = now.round.revision, now.round.aged_ns
        made, body = self._made.get(target, ((-1, 0), b""))
        if made != wanted:
            body = msgspec.json.encode(matrix_of(now, target))
            self._made[target] = (wanted, body)
        return body
