"""The worst verdict of every pair of sites, found by sorting, not by looking at each pair."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.documents import MatrixCell, MatrixDocument
from controller.judge.evidence import KINDS, VERDICTS
from controller.live import Round
from controller.state import ControllerState
from controller.verdict_documents import verdict_name

# From good to bad; the worst one stands for the pair.
_BADNESS = ("pass", "impossible", "no_data", "undecided", "fail")
BADNESS = np.array([_BADNESS.index(name) for name in VERDICTS], np.int64)


def matrix_of(state: ControllerState, latest: Round, target: str | None) -> MatrixDocument:
    """Return the matrix of one target, or of all."""
    catalogue, judgements = state.catalogue, latest.judgements
    sites = list(catalogue.site_number)
    rows = np.arange(len(state.demands))
    if target is not None:
        rows = rows[catalogue.demand_target == catalogue.target_number[target]]
    pair = catalogue.demand_source[rows] * len(sites) + catalogue.demand_destination[rows]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = judgements.measured[rows] / latest.rules.limit[rows]
    # Last of each pair: the worst verdict, and of several the one furthest over its limit.
    # One in maintenance stands for its pair only where there is no other.
    counts = ~latest.maintenance[rows]
    badness = BADNESS[judgements.verdict[rows]]
    order = np.lexsort((np.nan_to_num(share, nan=-1.0), badness, counts, pair))
    pair, rows = pair[order], rows[order]
    last = np.append(pair[1:] != pair[:-1], True)[: len(pair)]
    chosen = rows[last]
    ratio = latest.rules.kind[chosen] == KINDS.index("loss")
    measured = judgements.measured[chosen]
    cells: list[list[MatrixCell | None]] = [[None] * len(sites) for _ in sites]
    for place, code, value, is_known, is_ratio, rests, count in zip(
        pair[last].tolist(),
        judgements.verdict[chosen].tolist(),
        measured.tolist(),
        np.isfinite(measured).tolist(),
        ratio.tolist(),
        latest.maintenance[chosen].tolist(),
        _paths_per_pair(pair, catalogue.demand_path[rows], len(catalogue.paths)),
        strict=True,
    ):
        cells[place // len(sites)][place % len(sites)] = MatrixCell(
            verdict=verdict_name(code),
            paths=count,
            measured=value if is_known else None,
            unit="ratio" if is_ratio else "ns",
            maintenance=rests,
        )
    return MatrixDocument(target=target, sites=sites, cells=cells)


def _paths_per_pair(pair: NDArray[np.int64], path: NDArray[np.int64], paths: int) -> list[int]:
    """Return how many different paths each pair has, pairs ascending."""
    both = np.unique(pair * max(1, paths) + path)
    counts: list[int] = np.unique(both // max(1, paths), return_counts=True)[1].tolist()
    return counts


def matrix_bytes(state: ControllerState, latest: Round, target: str | None) -> bytes:
    """Return the encoded matrix, made once a round."""
    known = state.matrices.get(target)
    if known is not None and known[0] == latest.revision:
        return known[1]
    body = msgspec.json.encode(matrix_of(state, latest, target))
    state.matrices[target] = (latest.revision, body)
    return body
