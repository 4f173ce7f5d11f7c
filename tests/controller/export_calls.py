"""What tests ask of the export route, and how they read its rows."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
from pyarrow import parquet

from controller.export.rows import COLUMNS

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
