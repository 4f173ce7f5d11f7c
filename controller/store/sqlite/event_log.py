"""The event log, the last states and the maintenance windows as rows of the SQLite database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future

from controller.store.event_log import (
    MAX_EVENTS,
    EventKind,
    EventRecord,
    MaintenanceRecord,
    SubjectState,
)
from controller.store.sqlite.database import Database

_EVENT = "at_ns, kind, subject, target, state, previous, previous_since_ns"
_MAINTENANCE = (
    "from_ns, to_ns, sites, carriers, paths, reason, created_ns, created_by, ended_ns, ended_by"
)
_INSERT_EVENT = f"INSERT INTO events ({_EVENT}) VALUES (?,?,?,?,?,?,?)"  # noqa: S608 -- constants alone
_FORGET = "DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?"
_PUT_STATE = (
    "INSERT OR REPLACE INTO states (kind, subject, target, state, since_ns) VALUES (?,?,?,?,?)"
)
_INSERT_MAINTENANCE = f"INSERT INTO maintenance ({_MAINTENANCE}) VALUES (?,?,?,?,?,?,?,?,NULL,NULL)"  # noqa: S608 -- constants alone
_END = (
    "UPDATE maintenance SET ended_ns = ?, ended_by = ? "
    "WHERE id = ? AND ended_ns IS NULL AND to_ns > ?"
)


class SqliteEventLog:
    """An `EventLog` on the store's one writer and its readers."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def append(
        self, events: Sequence[EventRecord], states: Sequence[SubjectState] = ()
    ) -> Future[int]:
        """Add events and remember states; see `EventLog.append`."""
        rows = [
            (e.at_ns, e.kind, e.subject, e.target, e.state, e.previous, e.previous_since_ns)
            for e in events
        ]
        stands = [(s.kind, s.subject, s.target, s.state, s.since_ns) for s in states]

        def write(connection: sqlite3.Connection) -> int:
            connection.executemany(_PUT_STATE, stands)
            if not rows:
                return 0
            connection.executemany(_INSERT_EVENT, rows)
            last: int = connection.execute("SELECT max(id) FROM events").fetchone()[0]
            connection.execute(_FORGET, (MAX_EVENTS,))
            return last - len(rows) + 1

        return self._db.submit(write)

    def events(
        self,
        *,
        kinds: Sequence[EventKind] = (),
        subject: str | None = None,
        target: str | None = None,
        state: str | None = None,
        from_ns: int | None = None,
        to_ns: int | None = None,
        before_id: int | None = None,
        after_id: int | None = None,
        limit: int = 1000,
    ) -> list[EventRecord]:
        """Return events; see `EventLog.events`."""
        asked = {
            "subject = ?": subject,
            "target = ?": target,
            "state = ?": state,
            "at_ns >= ?": from_ns,
            "at_ns < ?": to_ns,
            "id < ?": before_id,
            "id > ?": after_id,
        }
        used = {clause: value for clause, value in asked.items() if value is not None}
        clauses = list(used)
        if kinds:
            clauses.append(f"kind IN ({','.join('?' * len(kinds))})")
        order = "DESC" if after_id is None else "ASC"
        rows = self._db.read(
            f"SELECT id, {_EVENT} FROM events WHERE {' AND '.join(clauses) or '1'} "  # noqa: S608 -- clauses are constants
            f"ORDER BY id {order} LIMIT ?",
            (*used.values(), *kinds, limit),
        )
        return [
            EventRecord(
                id=row[0],
                at_ns=row[1],
                kind=row[2],
                subject=row[3],
                target=row[4],
                state=row[5],
                previous=row[6],
                previous_since_ns=row[7],
            )
            for row in rows
        ]

    def states(self) -> list[SubjectState]:
        """Return how every subject stood last."""
        rows = self._db.read("SELECT kind, subject, target, state, since_ns FROM states")
        return [
            SubjectState(kind=row[0], subject=row[1], target=row[2], state=row[3], since_ns=row[4])
            for row in rows
        ]

    def put_maintenance(self, record: MaintenanceRecord) -> Future[int]:
        """Announce a maintenance; its id."""
        lists = (json.dumps(names) for names in (record.sites, record.carriers, record.paths))
        row = (
            record.from_ns,
            record.to_ns,
            *lists,
            record.reason,
            record.created_ns,
            record.created_by,
        )

        def write(connection: sqlite3.Connection) -> int:
            return connection.execute(_INSERT_MAINTENANCE, row).lastrowid or 0

        return self._db.submit(write)

    def end_maintenance(self, number: int, at_ns: int, by: str) -> Future[bool]:
        """Cut a maintenance short; see `EventLog.end_maintenance`."""

        def write(connection: sqlite3.Connection) -> bool:
            return connection.execute(_END, (at_ns, by, number, at_ns)).rowcount == 1

        return self._db.submit(write)

    def maintenance(self) -> list[MaintenanceRecord]:
        """Return every maintenance ever announced, oldest first."""
        rows = self._db.read(f"SELECT id, {_MAINTENANCE} FROM maintenance ORDER BY id")  # noqa: S608 -- constants alone
        return [
            MaintenanceRecord(
                id=row[0],
                from_ns=row[1],
                to_ns=row[2],
                sites=tuple(json.loads(row[3])),
                carriers=tuple(json.loads(row[4])),
                paths=tuple(json.loads(row[5])),
                reason=row[6],
                created_ns=row[7],
                created_by=row[8],
                ended_ns=row[9],
                ended_by=row[10],
            )
            for row in rows
        ]
