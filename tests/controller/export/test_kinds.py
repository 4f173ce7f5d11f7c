"""Exports: the same rows in each format, units in the names, a dictionary that is true."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from controller.export.kinds import joined_tables
from controller.export.rows import COLUMNS, NAMES

SECOND = 1_000_000_000
PATH = "nanjing.telecom.v4>suzhou.telecom.v4"


def query(controller: Any, kind: str, more: str = "") -> str:
    now_ns = controller.services.clock.wall_ns()
    return f"/api/v1/export?from_ns={now_ns - 3600 * SECOND}&to_ns={now_ns}&format={kind}{more}"


async def fetch(controller: Any, kind: str, more: str = "") -> bytes:
    async with controller.session.get(
        f"http://controller{query(controller, kind, more)}"
    ) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read()


async def rows_of(controller: Any, kind: str, more: str = "") -> list[dict[str, Any]]:
    """Return the rows of an export with None for what is unknown."""
    body = await fetch(controller, kind, more)
    if kind == "parquet":
        table = parquet.read_table(io.BytesIO(body))
        start = np.datetime_as_string(table["start"].to_numpy(), unit="ns", timezone="UTC")
        place = table.schema.get_field_index("start")
        rows = table.set_column(place, "start", [start.tolist()]).to_pylist()
        return [row | {"stream_id": str(row["stream_id"])} for row in rows]
    if kind == "jsonl":
        return [json.loads(line) for line in body.splitlines()]
    kinds = {column.name: column.kind for column in COLUMNS}
    read = dict.fromkeys(("text", "id", "time"), str) | {"integer": int, "number": float}
    read["flag"] = lambda text: text == "True"
    return [
        {name: read[kinds[name]](value) if value else None for name, value in row.items()}
        for row in csv.DictReader(io.StringIO(body.decode()))
    ]


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
