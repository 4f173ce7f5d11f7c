"""Rows as CSV, JSON lines or Parquet, piece after piece, so that memory stays bounded.

The empty field (CSV), null (JSON, Parquet) is unknown, or a quantile that falls among the lost.
"""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.export.rows import Column
from foundation.errors import ConfigError

Format = Literal["csv", "jsonl", "parquet"]
MEDIA: dict[Format, str] = {
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
Tables = Iterable[dict[str, NDArray[Any]]]


def encoder_of(wanted: Format, columns: Sequence[Column]) -> Callable[[Tables], Iterator[bytes]]:
    """Return what turns tables of these columns into pieces of a file.

    Raises ConfigError without its library.
    """
    if wanted == "parquet":
        _arrow()
    encode = {"csv": _csv, "jsonl": _json_lines, "parquet": _parquet}[wanted]
    return functools.partial(encode, columns)


def _csv(columns: Sequence[Column], tables: Tables) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([column.name for column in columns])
    for table in tables:
        writer.writerows(zip(*_values(columns, table), strict=True))
        yield _taken(text)
    yield _taken(text)


def _taken(text: io.StringIO) -> bytes:
    piece = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return piece


def _json_lines(columns: Sequence[Column], tables: Tables) -> Iterator[bytes]:
    line = msgspec.defstruct("Line", [(column.name, Any) for column in columns])
    encoder = msgspec.json.Encoder()
    for table in tables:
        yield encoder.encode_lines(list(map(line, *_values(columns, table))))


def _values(columns: Sequence[Column], table: dict[str, NDArray[Any]]) -> list[list[Any]]:
    """Return the columns as lists, None for what is unknown."""
    found = []
    for column in columns:
        values = table[column.name]
        if column.kind == "number":
            boxed = values.astype(object)
            boxed[np.isnan(values)] = None
            values = boxed
        elif column.kind == "time":
            values = np.datetime_as_string(values, unit="ns", timezone="UTC")
        elif column.kind == "id":  # readers of JSON round what is beyond 2^53
            values = values.astype(str)
        found.append(values.tolist())
    return found


def _parquet(columns: Sequence[Column], tables: Tables) -> Iterator[bytes]:
    arrow, parquet = _arrow()
    schema = arrow.schema([_field(arrow, column) for column in columns])
    stream = _WrittenOnce()
    with parquet.ParquetWriter(stream, schema, compression="zstd") as writer:
        for table in tables:
            arrays = [arrow.array(table[f.name], f.type, from_pandas=True) for f in schema]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
            yield stream.take()
    yield stream.take()


class _WrittenOnce(io.RawIOBase):
    """A file that is written once from front to back and keeps only what was not yet taken."""

    def __init__(self) -> None:
        self._sink = io.BytesIO()
        self._taken = 0

    def writable(self) -> bool:
        """Whether it can be written."""
        return True

    def write(self, data: Any) -> int:
        """Write at the end."""
        return self._sink.write(data)

    def tell(self) -> int:
        """Return the place in the whole file, also of what was taken."""
        return self._taken + self._sink.tell()

    def take(self) -> bytes:
        """Return what was written since last asked, and forget it."""
        piece = self._sink.getvalue()
        self._taken += len(piece)
        self._sink.seek(0)
        self._sink.truncate()
        return piece


def _field(arrow: Any, column: Column) -> Any:
    kinds = {
        "text": arrow.string(),
        "id": arrow.int64(),
        "time": arrow.timestamp("ns", tz="UTC"),
        "integer": arrow.int64(),
        "number": arrow.float64(),
        "flag": arrow.bool_(),
    }
    return arrow.field(column.name, kinds[column.kind], metadata={"description": column.meaning})


def _arrow() -> tuple[Any, Any]:
    """Return (pyarrow, pyarrow.parquet), which only those who want Parquet install."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError(
            "Parquet needs the extra `parquet` on the controller: "
            "pip install 'isochrone[parquet]'. CSV and JSON lines need nothing.",
            "导出 Parquet 需在控制器上安装扩展：pip install 'isochrone[parquet]'。"
            "CSV 与 JSON lines 无需安装。",
        ) from error
    return pyarrow, parquet
