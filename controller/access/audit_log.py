"""The audit log: who changed what, when, and what came of it. Rows are added, never changed."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from foundation.number_types import RowNumber

KEPT_ROWS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change: `actor` did `action` to `subject`; `result` is an HTTP status or ``ok``."""

    id: RowNumber
    at_ns: int
    actor: str
    action: str
    subject: str
    result: str
    detail: str


def add_entry(
    connection: sqlite3.Connection,
    at_ns: int,
    *,
    actor: str,
    action: str,
    subject: str,
    result: str = "ok",
    detail: str = "",
) -> None:
    """Add a line; the oldest go where there are more than `KEPT_ROWS`."""
    cursor = connection.execute(
        "INSERT INTO audit (at_ns, actor, action, subject, result, detail) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (at_ns, actor, action, subject, result, detail),
    )
    if cursor.lastrowid is not None:
        connection.execute("DELETE FROM audit WHERE id <= ?", (cursor.lastrowid - KEPT_ROWS,))


def entries(
    connection: sqlite3.Connection, *, before_id: int, from_ns: int, to_ns: int, limit: int
) -> list[AuditEntry]:
    """Return lines with ids below `before_id` and times in [from_ns, to_ns), newest first."""
    rows = connection.execute(
        "SELECT * FROM audit WHERE id < ? AND at_ns >= ? AND at_ns < ? ORDER BY id DESC LIMIT ?",
        (before_id, from_ns, to_ns, limit),
    )
    return [AuditEntry(**dict(row)) for row in rows]
