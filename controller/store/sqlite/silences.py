"""Silences as rows of the SQLite database; the ids of their streams as one column of bytes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np

from controller.store.silences import MOST_OF_ONE_AGENT, SilenceRecord
from controller.store.sqlite.database import Database

_COLUMNS = ("mark", "agent", "side", "rule", "action", "share", "from_ns", "to_ns")
_NAMES = ", ".join((*_COLUMNS, "streams"))
_MARKS = ", ".join("?" * (len(_COLUMNS) + 1))
_PUT = f"INSERT OR REPLACE INTO silences ({_NAMES}) VALUES ({_MARKS})"  # noqa: S608 -- constants alone
_SELECT = f"SELECT {_NAMES} FROM silences ORDER BY from_ns, mark"  # noqa: S608 -- constants alone
_FORGET = (
    "DELETE FROM silences WHERE mark IN (SELECT mark FROM silences WHERE agent = ?1 ORDER BY "
    "to_ns IS NULL, from_ns LIMIT max(0, (SELECT count(*) FROM silences WHERE agent = ?1) - ?2))"
)


class SqliteSilences:
    """A `SilenceStore` on the store's one writer and its readers."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put(self, records: Sequence[SilenceRecord]) -> Future[None]:
        """Keep records; see `SilenceStore.put`."""
        rows = [
            (*(getattr(one, name) for name in _COLUMNS), one.stream_ids.astype("<u8").tobytes())
            for one in records
        ]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(_PUT, rows)
            for agent in {one.agent for one in records}:
                connection.execute(_FORGET, (agent, MOST_OF_ONE_AGENT))

        return self._db.submit(write, sum(len(row[-1]) for row in rows))

    def records(self) -> list[SilenceRecord]:
        """Return all that are kept, oldest first."""
        return [
            SilenceRecord(
                **dict(zip(_COLUMNS, row[:-1], strict=True)),
                stream_ids=np.frombuffer(row[-1], "<u8").astype(np.uint64),
            )
            for row in self._db.read(_SELECT)
        ]
