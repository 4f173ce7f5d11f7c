"""Fixed logarithmic buckets for delays, with an edge exactly on every contractual limit.

Bucket k > 0 holds the delays in (EDGES_NS[k-1], EDGES_NS[k]]; bucket 0 holds |delay| ≤ 1 µs;
bucket -k mirrors bucket k for the negative delays that disagreeing clocks produce (they are kept,
never clamped). The last bucket has no upper edge. Widths are at most 2 %, so a value read at the
middle of its bucket is within 1 %. Because a limit is an edge, "how many are within the limit" is
exact. Histograms add, in any order, to the same result (DDSketch layout without collapsing,
arXiv 1908.10693).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.ragged import indptr_of, row_of_entry, row_sums, stack_rows, take_rows
from probes.sockets.records import grouped, starts

EDGES_VERSION = 1
MAX_BUCKET_RATIO = 1.0198
CONTRACTUAL_LIMITS_NS = (
    1_000_000,  # 1 ms: Jiangsu, Yancheng, national, MIIT 2025
    3_000_000,
    4_000_000,
    5_000_000,
    6_000_000,
    10_000_000,
    20_000_000,
    205_790_000,  # Jiangsu: dedicated channels
    263_620_000,  # Jiangsu: ordinary Internet beside them
)


def _make_edges(first_ns: int, last_ns: int) -> NDArray[np.int64]:
    """Divide each span between neighbouring fixed points evenly on the log scale."""
    points = [first_ns, *CONTRACTUAL_LIMITS_NS, last_ns]
    edges = [np.array([first_ns], dtype=np.int64)]
    for low, high in itertools.pairwise(points):
        buckets = int(np.ceil(np.log(high / low) / np.log(MAX_BUCKET_RATIO)))
        span = np.rint(low * (high / low) ** (np.arange(1, buckets + 1) / buckets))
        edges.append(span.astype(np.int64))
    return np.concatenate(edges)


EDGES_NS: NDArray[np.int64] = _make_edges(1_000, 60_000_000_000)
TOP_BUCKET = len(EDGES_NS)  # holds what exceeds the last edge
_KEY_BITS = (2 * TOP_BUCKET).bit_length()  # of a bucket of either sign, counted from the lowest

_UPPER_NS = np.concatenate([EDGES_NS.astype(np.float64), [np.inf]])
_LOWER_NS = np.concatenate([[-1_000.0], EDGES_NS.astype(np.float64)])
# The edges of all buckets from the lowest (-TOP_BUCKET) to the highest.
_LOWER_TABLE = np.concatenate([-_UPPER_NS[:0:-1], _LOWER_NS])
_UPPER_TABLE = np.concatenate([-_LOWER_NS[:0:-1], _UPPER_NS])


# A float64's exponent and first seven bits of mantissa make a cell of at most 0.8 %, narrower than
# any bucket: a cell is cut by one edge at most, and a table finds the bucket sooner than a search.
_CELL_SHIFT = 52 - 7
_EDGES = EDGES_NS.astype(np.float64)
_FIRST_CELL, _LAST_CELL = (_EDGES[[0, -1]].view(np.int64) >> _CELL_SHIFT).tolist()
_BUCKET_OF_CELL = np.searchsorted(
    _EDGES, (np.arange(_FIRST_CELL, _LAST_CELL + 1) << _CELL_SHIFT).view(np.float64), side="left"
)


def bucket_of(delay_ns: NDArray[Any]) -> NDArray[np.int16]:
    """Return the bucket of each delay. Any numeric shape; NaN is not allowed."""
    return _bucket_of(np.asarray(delay_ns)).astype(np.int16)


def _bucket_of(delay_ns: NDArray[Any]) -> NDArray[np.int64]:
    distance = np.abs(delay_ns.astype(np.float64, copy=False))
    cell = distance.view(np.int64) >> _CELL_SHIFT
    cell -= _FIRST_CELL
    np.clip(cell, 0, _LAST_CELL - _FIRST_CELL, out=cell)
    magnitude: NDArray[np.int64] = _BUCKET_OF_CELL[cell]
    magnitude += distance > _UPPER_NS[magnitude]
    negative = delay_ns < 0
    return np.where(negative, -magnitude, magnitude) if negative.any() else magnitude


def bucket_lower_ns(bucket: NDArray[Any]) -> NDArray[np.float64]:
    """Return the lower edge of each bucket; -inf for the lowest."""
    return _LOWER_TABLE[np.asarray(bucket, dtype=np.int64) + TOP_BUCKET]


def bucket_upper_ns(bucket: NDArray[Any]) -> NDArray[np.float64]:
    """Return the upper edge of each bucket; +inf for the highest."""
    return _UPPER_TABLE[np.asarray(bucket, dtype=np.int64) + TOP_BUCKET]


@dataclass(frozen=True, slots=True)
class Histograms:
    """Sparse histograms of n rows, in compressed-row form.

    Row i has the buckets `bucket[indptr[i]:indptr[i+1]]`, ascending, each counted by `count`.
    Shapes: indptr int64[n+1], bucket int16[m], count int64[m].
    """

    indptr: NDArray[np.int64]
    bucket: NDArray[np.int16]
    count: NDArray[np.int64]

    @staticmethod
    def empty(rows: int) -> Histograms:
        """Return `rows` histograms that hold nothing."""
        return Histograms(
            np.zeros(rows + 1, np.int64), np.zeros(0, np.int16), np.zeros(0, np.int64)
        )

    @staticmethod
    def from_samples(row: NDArray[Any], delay_ns: NDArray[Any], rows: int) -> Histograms:
        """Count `delay_ns[i]` into histogram `row[i]`. Both of shape [m]; 0 ≤ row < rows."""
        key = np.asarray(row, np.int64) << _KEY_BITS
        key += _bucket_of(np.asarray(delay_ns)) + TOP_BUCKET
        key.sort()
        first = np.flatnonzero(starts(key))
        return _from_keys(key[first], np.diff(first, append=len(key)), rows)

    @staticmethod
    def stack(parts: Sequence[Histograms]) -> Histograms:
        """Return one Histograms with the rows of all parts, in order."""
        if not parts:
            return Histograms.empty(0)
        return Histograms(
            stack_rows([part.indptr for part in parts]),
            np.concatenate([part.bucket for part in parts]),
            np.concatenate([part.count for part in parts]),
        )

    @property
    def rows(self) -> int:
        """How many histograms."""
        return len(self.indptr) - 1

    def row_of_entry(self) -> NDArray[np.int64]:
        """Return for every (bucket, count) entry the row it is in."""
        return row_of_entry(self.indptr)

    def totals(self) -> NDArray[np.int64]:
        """Return how many samples each row holds, int64[n]."""
        return row_sums(self.indptr, self.count)

    def grouped(self, group: NDArray[Any], groups: int) -> Histograms:
        """Add up the rows of each group: row i goes into histogram `group[i]` of the result."""
        row = np.asarray(group, np.int64)[self.row_of_entry()]
        return _from_counts(row, self.bucket, self.count, groups)

    def take(self, row: NDArray[Any]) -> Histograms:
        """Return the rows numbered by `row`, in that order (a row may be taken twice)."""
        indptr, entry = take_rows(self.indptr, np.asarray(row, np.int64))
        return Histograms(indptr, self.bucket[entry], self.count[entry])

    def bucket_at_rank(self, rank: NDArray[Any]) -> NDArray[np.int64]:
        """Return for each row the bucket of its rank-th smallest sample (1-based).

        Shape [n]. Where rank exceeds the row's total the answer is TOP_BUCKET, whose upper edge
        is +inf: lost probes are infinite delays (RFC 7679 §5.1). Where rank < 1 it is -TOP_BUCKET.
        """
        totals = self.totals()
        cumulative = indptr_of(self.count)
        before = cumulative[self.indptr[:-1]]
        wanted = np.asarray(rank, np.int64)
        inside = (wanted >= 1) & (wanted <= totals)
        answer = np.where(wanted < 1, -TOP_BUCKET, TOP_BUCKET).astype(np.int64)
        entry = np.searchsorted(cumulative[1:], (before + wanted)[inside], side="left")
        answer[inside] = self.bucket[entry]
        return answer

    def count_within(self, limit_ns: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (surely, possibly) how many samples of each row are ≤ `limit_ns[row]`.

        The two differ only by the bucket that straddles the limit; they are equal where the limit
        is an edge.
        """
        row = self.row_of_entry()
        limit = np.asarray(limit_ns, np.float64)[row]
        surely = np.where(bucket_upper_ns(self.bucket) <= limit, self.count, 0)
        possibly = np.where(bucket_lower_ns(self.bucket) < limit, self.count, 0)
        return (
            np.bincount(row, surely, self.rows).astype(np.int64),
            np.bincount(row, possibly, self.rows).astype(np.int64),
        )


def _from_counts(
    row: NDArray[np.int64], bucket: NDArray[np.int16], count: NDArray[np.int64], rows: int
) -> Histograms:
    """Sort (row, bucket, count) triples into rows, adding equal ones."""
    key = (row << _KEY_BITS) + bucket + TOP_BUCKET
    unique, inverse = grouped(key)
    summed = np.zeros(len(unique), np.int64)
    # Numbers of another width would be converted one by one, which takes twenty times as long.
    np.add.at(summed, inverse, count.astype(np.int64, copy=False))
    return _from_keys(unique, summed, rows)


def _from_keys(unique: NDArray[np.int64], count: NDArray[np.int64], rows: int) -> Histograms:
    """Take ascending keys, row and bucket in one number, apart."""
    indptr = np.searchsorted(unique, np.arange(rows + 1) << _KEY_BITS).astype(np.int64)
    bucket = (unique & ((1 << _KEY_BITS) - 1)) - TOP_BUCKET
    return Histograms(indptr, bucket.astype(np.int16), count)
