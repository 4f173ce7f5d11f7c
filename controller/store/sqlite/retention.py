"""Forgetting what is older than its level is kept, a little at a time between other writes."""

from __future__ import annotations

import sqlite3

from controller.store.levels import DAY_NS, LEVELS, Retention
from controller.store.sqlite.writer import Writer

_CHUNKS_AT_ONCE = 64
_ROWS_AT_ONCE = 500
_PAGES_AT_ONCE = 1024
# Ingest refuses windows as old as the oldest kept; a day more lets their minutes be made anew.
_MARGIN_NS = DAY_NS


class SqliteRetention:
    """Deletes on the store's one writer."""

    def __init__(self, writer: Writer, retention: Retention) -> None:
        self._writer, self._retention = writer, retention

    def expire(self, now_ns: int) -> int:
        """Delete some rows that are too old at `now_ns`; return how many. Blocks."""
        rows = self._writer.submit(lambda connection: self._delete(connection, now_ns)).result()
        if rows:
            self._writer.submit(_give_back).result()
        return rows

    def _delete(self, connection: sqlite3.Connection, now_ns: int) -> int:
        oldest_ns = self._retention.oldest_ns("window", now_ns) - _MARGIN_NS
        rows = connection.execute(
            "DELETE FROM chunks WHERE id IN (SELECT id FROM chunks WHERE start_ns < ? LIMIT ?)",
            (oldest_ns, _CHUNKS_AT_ONCE),
        ).rowcount
        for level in LEVELS:
            oldest_ns = self._retention.oldest_ns(level.name, now_ns) - _MARGIN_NS
            for table, length_ns in (("rollups", level.step_ns), ("tiles", level.span_ns)):
                rows += connection.execute(
                    f"DELETE FROM {table} WHERE id IN "  # noqa: S608 -- one of two constants
                    f"(SELECT id FROM {table} WHERE level = ? AND start_ns < ? LIMIT ?)",
                    (level.code, oldest_ns - length_ns, _ROWS_AT_ONCE),
                ).rowcount
        return rows


def _give_back(connection: sqlite3.Connection) -> None:
    """Shrink the file a little where a quarter of it is free; else the space is used again."""
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    if free > connection.execute("PRAGMA page_count").fetchone()[0] // 4:
        connection.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
