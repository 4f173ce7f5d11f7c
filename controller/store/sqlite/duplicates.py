"""Agents of one name as rows of the SQLite database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future

from controller.store.duplicates import MOST_KEPT, DuplicateRecord
from controller.store.sqlite.database import Database

_PUT = "INSERT OR REPLACE INTO duplicates (agent, boot, refused, seen_ns) VALUES (?, ?, ?, ?)"
_FORGET = (
    "DELETE FROM duplicates WHERE agent = ?1 AND boot IN (SELECT boot FROM duplicates WHERE agent "
    "= ?1 ORDER BY seen_ns DESC LIMIT -1 OFFSET ?2)"
)


class SqliteDuplicates:
    """A `DuplicateStore` on the store's one writer and its readers."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put(self, records: Sequence[DuplicateRecord]) -> Future[None]:
        """Keep records; see `DuplicateStore.put`."""
        rows = [(one.agent, one.boot, one.refused, one.seen_ns) for one in records]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(_PUT, rows)
            connection.executemany(_FORGET, [(one.agent, MOST_KEPT) for one in records])

        return self._db.submit(write)

    def records(self) -> list[DuplicateRecord]:
        """Return all that are kept, by when they were seen."""
        rows = self._db.read(
            "SELECT agent, boot, refused, seen_ns FROM duplicates ORDER BY seen_ns", ()
        )
        return [
            DuplicateRecord(agent=row[0], boot=row[1], refused=bool(row[2]), seen_ns=row[3])
            for row in rows
        ]
