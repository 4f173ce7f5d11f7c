"""Rows as CSV, JSON lines or Parquet, piece after piece, so that memory stays bounded."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from controller.export.formats import encoder_of
from controller.export.rows import COLUMNS


def extreme(stream_id: int, start_ns: int) -> dict[str, Any]:
    """Return a table of one row, all of it unknown except its id and its time."""
    empty = {"number": np.nan, "integer": 0, "flag": False}
    table = {c.name: np.array([empty.get(c.kind)]) for c in COLUMNS}
    table["stream_id"] = np.array([stream_id])
    table["start"] = np.array([start_ns]).astype("datetime64[ns]")
    return table


@pytest.mark.parametrize("stream_id", [(1 << 53) + 1, (1 << 63) - 1, 0])
def test_an_id_survives_readers_of_json_that_know_no_whole_numbers(stream_id: int) -> None:
    text = b"".join(encoder_of("jsonl", COLUMNS)([extreme(stream_id, 0)]))
    assert json.loads(text, parse_int=float)["stream_id"] == str(stream_id)


@pytest.mark.parametrize(
    ("start_ns", "text"),
    [
        (1_793_462_400_123_456_789, "2026-10-31T16:00:00.123456789Z"),
        (1_793_462_400_000_000_000, "2026-10-31T16:00:00.000000000Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
    ],
)
def test_times_keep_their_nanoseconds_in_every_format(start_ns: int, text: str) -> None:
    table = extreme(7, start_ns)
    assert f",{text}," in b"".join(encoder_of("csv", COLUMNS)([table])).decode()
    assert json.loads(b"".join(encoder_of("jsonl", COLUMNS)([table])))["start"] == text
    start = parquet.read_table(io.BytesIO(b"".join(encoder_of("parquet", COLUMNS)([table]))))[
        "start"
    ]
    assert str(start.type) == "timestamp[ns, tz=UTC]"
    assert start.to_numpy().astype(np.int64).tolist() == [start_ns]
