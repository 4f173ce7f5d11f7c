"""Exports: the same rows in each format, units in the names, a dictionary that is true."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from controller.export.kinds import joined_tables
from controller.export.rows import NAMES
from tests.controller.export_calls import PATH, SECOND, fetch, rows_of


async def test_each_format_says_the_same(measured: Any) -> None:
    one, two, three = [await rows_of(measured, kind) for kind in ("csv", "jsonl", "parquet")]
    assert one == two == three
    assert list(one[0]) == list(NAMES)
    assert len(one) == 3 * len({row["stream_id"] for row in one})


async def test_rows_are_what_the_windows_are(measured: Any) -> None:
    rows = await rows_of(measured, "jsonl", f"&path={PATH}&protocol=udp")
    windows = (await measured.get(f"/api/v1/windows?path={PATH}&protocol=udp"))["items"]
    assert [row["start_ns"] for row in rows] == [window["start_ns"] for window in windows]
    assert [row["plan_version"] for row in rows] == [7, 8, 9]
    for row, window in zip(rows, windows, strict=True):
        assert row["plan_version"] == window["plan_version"]
        assert (row["sent_probes"], row["loss_ratio"]) == (window["sent"], window["loss_ratio"])
        for name in ("rtt_p50_ns", "rtt_p95_ns", "rtt_mean_ns", "forward_p50_ns"):
            assert row[name] == (window[name] and pytest.approx(window[name], rel=1e-6)), name
    assert rows[1]["rtt_mean_ns"] is None
    first = rows[0]
    assert (first["source_site"], first["destination_carrier"]) == ("nanjing", "telecom")
    assert (first["level"], first["timestamping"], first["suspect"]) == ("window", "kernel", False)


async def test_rollups_are_exported_too(measured: Any) -> None:
    now_ns = measured.services.clock.wall_ns()
    for later in (1, 24):
        measured.services.store.rollups.roll_up(now_ns + later * 3600 * SECOND, 1000)
    rows = await rows_of(measured, "csv", f"&path={PATH}&protocol=udp&level=minute")
    assert {(row["level"], row["plan_version"]) for row in rows} == {("minute", None)}
    assert sum(row["sent_probes"] for row in rows) == 30


async def test_nothing_measured_is_an_empty_file_of_its_format(controller: Any) -> None:
    assert await fetch(controller, "csv") == (",".join(NAMES) + "\r\n").encode()
    assert await fetch(controller, "jsonl") == b""
    table = parquet.read_table(io.BytesIO(await fetch(controller, "parquet")))
    assert (table.num_rows, tuple(table.column_names)) == (0, NAMES)
    assert table.schema.field("rtt_p50_ns").metadata[b"description"]


async def test_site_alone_is_exported_when_it_is_named(measured: Any) -> None:
    assert await rows_of(measured, "jsonl", "&site=router") == []
    assert len(await rows_of(measured, "jsonl", "&site=suzhou")) > 0


def test_small_tables_are_joined_and_nothing_is_lost() -> None:
    small = [{"start_ns": np.arange(size)} for size in (3, 4, 5, 1)]
    assert [len(table["start_ns"]) for table in joined_tables(iter(small), 6)] == [7, 6]
