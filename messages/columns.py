"""Columns of integers, packed small and read back safely.

A column is what is left of its values after a prediction that reader and writer share (the mean
is near the minimum, the bucket after this one is the next): residuals, counted from their least,
cut to as many bytes as the greatest needs and shuffled so that equal places stand together, which
is what a general compressor wants. A column whose residuals are all 0 is not written at all.

    wire form   [planes, base, bytes]   value[i] = base + Σ bytes[p·n + i]·256^p + predicted[i]

All sums are modulo 2^64, so any int64 or uint64 column returns exactly.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from foundation.errors import LocalProtocolError, RemoteProtocolError

Integers = NDArray[np.int64]
Struct = TypeVar("Struct")

EXACT_LIMIT = 1 << 53  # beyond it a float64 no longer holds every integer
ABSENT = "?"  # suffix of the column that says which values of a float column are absent
RAW = "="  # suffix of a float column kept bit by bit (magnitudes of 2^53 and more)

WireColumn = tuple[
    Annotated[int, msgspec.Meta(ge=0, le=8)],
    Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)],
    bytes,
]


def pack(residual: Integers) -> WireColumn:
    """Return the wire form of residuals, int64[n], n ≥ 1."""
    base = int(residual.min())
    span = (residual.view(np.uint64) - np.uint64(base % (1 << 64))).astype("<u8", copy=False)
    planes = (int(span.max()).bit_length() + 7) // 8
    octets = span.view(np.uint8).reshape(-1, 8)[:, :planes]
    return planes, base, octets.T.tobytes()


def unpack(column: WireColumn, length: int) -> Integers:
    """Return the residuals of a column, int64[length]; RemoteProtocolError if it is not so long."""
    planes, base, data = column
    if len(data) != planes * length:
        raise malformed("a column's length is wrong", "某一列的长度不对")
    if planes == 1:
        values = np.frombuffer(data, np.uint8).astype(np.int64)
        values += base
        return values
    octets = np.zeros((length, 8), np.uint8)
    octets[:, :planes] = np.frombuffer(data, np.uint8).reshape(planes, length).T
    span = octets.view("<u8").reshape(length).astype(np.uint64, copy=False)
    return (span + np.uint64(base % (1 << 64))).view(np.int64)


def read_struct(decoder: msgspec.msgpack.Decoder[Struct], octets: bytes) -> Struct:
    """Return what is in some msgpack. Raises RemoteProtocolError for what is nothing such."""
    try:
        return decoder.decode(octets)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise malformed(f"{error}", f"{error}") from error


def malformed(en: str, zh: str) -> RemoteProtocolError:
    """Return the error for a chunk that is not what it should be."""
    return RemoteProtocolError(
        f"The chunk is malformed: {en}. The sender is broken or is not Isochrone.",
        f"数据块格式错误：{zh}。发送方有故障，或不是 Isochrone。",
    )


def whole_ns(values: NDArray[np.float64]) -> Integers:
    """Return floats as integers for use in predictions; 0 for what is absent or too great."""
    usable = np.abs(values) < EXACT_LIMIT  # False for NaN
    return np.where(usable, np.rint(np.where(usable, values, 0.0)), 0.0).astype(np.int64)


class OtherVersionError(RemoteProtocolError):
    """A sane chunk of another version: a later program may read it."""


class Budget:
    """How many bytes a reader may still allocate for what it is sent."""

    def __init__(self, left_bytes: int) -> None:
        self._left_bytes = left_bytes

    def take(self, size_bytes: int) -> None:
        """Count what is about to be allocated. Raises RemoteProtocolError where it is too much."""
        self._left_bytes -= size_bytes
        if self._left_bytes < 0:
            raise malformed("it expands beyond the limit", "解压后超过上限")


class ColumnWriter:
    """Collects columns by name, and counts what a reader will have to allocate for them."""

    def __init__(self) -> None:
        self.columns: dict[str, WireColumn] = {}
        self.expanded_bytes = 0

    def integers(self, name: str, values: NDArray[Any], predicted: Integers | int = 0) -> Integers:
        """Add a column of any integer or bool dtype, [n]. Returns it as int64."""
        self.expanded_bytes += 8 * len(values)
        whole = values.view(np.int64) if values.dtype == np.uint64 else values.astype(np.int64)
        residual = whole - predicted
        if residual.any():
            self.columns[name] = pack(residual)
        return whole

    def floats(
        self,
        name: str,
        values: NDArray[np.float64],
        predicted: Integers,
        absent_as: NDArray[np.bool_],
    ) -> None:
        """Add a column float64[n], rounded to whole units; `absent_as` predicts which are NaN."""
        absent = np.isnan(values)
        present = ~absent
        if (np.abs(values[present]) >= EXACT_LIMIT).any():
            if np.isinf(values).any():
                raise refuse_to_send(f"{name} is infinite")
            self.columns[name + RAW] = pack(values.astype("<f8").view(np.int64))
            return
        self.integers(name + ABSENT, absent ^ absent_as)
        self.integers(name, np.rint(values[present]), predicted[present])


class ColumnReader:
    """Hands out columns by name, never more of them than the budget allows."""

    def __init__(self, columns: dict[str, WireColumn], budget: Budget) -> None:
        self._columns = dict(columns)
        self.budget = budget

    def integers(
        self,
        name: str,
        length: int,
        predicted: Integers | int = 0,
        *,
        low: int = -(1 << 63),
        high: int = (1 << 63) - 1,
    ) -> Integers:
        """Return a column, int64[length], checked to lie within [low, high]."""
        self.budget.take(8 * length)
        column = self._columns.pop(name, None)
        if column is not None and length == 0:
            raise malformed("a column should be empty", "某一列应当为空")
        values = np.zeros(length, np.int64) if column is None else unpack(column, length)
        if isinstance(predicted, int):
            if predicted:
                values += predicted
            planes, base, _ = column or (0, 0, b"")
            least, most = predicted + base, predicted + base + (1 << 8 * planes) - 1
        else:
            values += predicted
            least, most = -(1 << 63), (1 << 63) - 1
        # Most columns cannot leave the range however they are filled; the others are looked at.
        surely_within = low <= least and most <= high
        if not surely_within and length and (values.min() < low or values.max() > high):
            raise malformed(f"column {name!r} is out of range", f"列 {name!r} 超出范围")
        return values

    def floats(
        self, name: str, predicted: Integers, absent_as: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return a column float64[n] with NaN where it is absent."""
        length = len(predicted)
        if name + RAW in self._columns:
            raw = self.integers(name + RAW, length).astype("<i8").view("<f8").astype(np.float64)
            if np.isinf(raw).any():
                raise malformed(f"{name} is infinite", f"{name} 为无穷大")
            return raw
        differs = self.integers(name + ABSENT, length, low=0, high=1).astype(np.bool_)
        present = ~(differs ^ absent_as)
        limit = EXACT_LIMIT - 1
        if present.all():
            return self.integers(name, length, predicted, low=-limit, high=limit).astype(np.float64)
        values = np.full(length, np.nan)
        values[present] = self.integers(
            name, int(present.sum()), predicted[present], low=-limit, high=limit
        )
        return values

    def finish(self) -> None:
        """Refuse columns that nobody asked for."""
        if self._columns:
            name = next(iter(self._columns))[:40]
            raise malformed(f"unknown column {name!r}", f"未知的列 {name!r}")


def refuse_to_send(what: str) -> LocalProtocolError:
    """Return the error for a batch that this side should never have made."""
    return LocalProtocolError(
        f"The results cannot be encoded: {what}. This is a defect of Isochrone; please report it.",
        f"测量结果无法编码：{what}。这是 Isochrone 的缺陷，请报告。",
    )
