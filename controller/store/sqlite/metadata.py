"""Plans, streams, sites, silences and duplicates as rows of the SQLite database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np
import sqlite_utils

from controller.store.readable import sound
from controller.store.records import (
    DUPLICATES_KEPT,
    SILENCES_KEPT,
    DuplicateRecord,
    PlanRecord,
    SilenceRecord,
    StreamRecord,
)
from controller.store.sqlite.database import Database
from messages.frame import seal, unseal

PLANS_KEPT = 1000  # versions of an agent's plan; campaigns make two each
_MAX_PLAN_BYTES = 1 << 30
_SILENCE = ("mark", "agent", "side", "rule", "action", "share", "from_ns", "to_ns")
_SILENCE_NAMES = ", ".join((*_SILENCE, "streams"))
_SILENCE_MARKS = ", ".join("?" * (len(_SILENCE) + 1))
_PUT_SILENCE = f"INSERT OR REPLACE INTO silences ({_SILENCE_NAMES}) VALUES ({_SILENCE_MARKS})"  # noqa: S608 -- constants alone
_SILENCES = f"SELECT {_SILENCE_NAMES} FROM silences ORDER BY from_ns, mark"  # noqa: S608 -- constants alone
_FORGET_SILENCES = (
    "DELETE FROM silences WHERE mark IN (SELECT mark FROM silences WHERE agent = ?1 ORDER BY "
    "to_ns IS NULL, from_ns LIMIT max(0, (SELECT count(*) FROM silences WHERE agent = ?1) - ?2))"
)
_PUT_DUPLICATE = (
    "INSERT OR REPLACE INTO duplicates (agent, boot, refused, seen_ns) VALUES (?, ?, ?, ?)"
)
_FORGET_DUPLICATES = (
    "DELETE FROM duplicates WHERE agent = ?1 AND boot IN (SELECT boot FROM duplicates WHERE agent "
    "= ?1 ORDER BY seen_ns DESC LIMIT -1 OFFSET ?2)"
)


class SqlitePlans:
    """Versions of agents' plans; see `PlanStore`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put(self, plans: Sequence[PlanRecord], created_ns: int) -> Future[None]:
        """Add versions of agents' plans to their history."""
        rows = [(plan.agent, plan.version, seal(plan.content), created_ns) for plan in plans]
        old = [(plan.agent, plan.version - PLANS_KEPT) for plan in plans]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT INTO plans (agent, version, content, created_ns) VALUES (?,?,?,?)", rows
            )
            connection.executemany("DELETE FROM plans WHERE agent = ? AND version <= ?", old)

        return self._db.submit(write, sum(len(row[2]) for row in rows))

    def latest(self) -> dict[str, PlanRecord]:
        """Return the newest plan of every agent; `content` is empty where it is damaged."""
        # SQLite gives the other columns of the row that holds the maximum.
        rows = self._db.read("SELECT agent, max(version), content FROM plans GROUP BY agent", ())
        return {
            row[0]: PlanRecord(
                agent=row[0], version=row[1], content=_plan_in(row[2], *row[:2]) or b""
            )
            for row in rows
        }

    def history(self, agent: str, before: int, limit: int) -> list[PlanRecord]:
        """Return an agent's plans with versions below `before`, newest first."""
        rows = self._db.read(
            "SELECT version, content, created_ns FROM plans WHERE agent = ? AND version < ? "
            "ORDER BY version DESC LIMIT ?",
            (agent, before, limit),
        )
        found = ((row[0], _plan_in(row[1], agent, row[0]), row[2]) for row in rows)
        return [
            PlanRecord(agent=agent, version=version, content=content, created_ns=created_ns)
            for version, content, created_ns in found
            if content is not None
        ]


class SqliteStreams:
    """Streams that were ever planned; see `StreamStore`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put(self, streams: Sequence[StreamRecord]) -> Future[None]:
        """Remember streams; those already known are left as they are."""
        rows = [
            {
                "stream_id": stream.stream_id,
                "agent": stream.agent,
                "path": stream.path,
                "protocol": stream.protocol,
                "type_p": stream.type_p,
            }
            for stream in streams
        ]

        def write(connection: sqlite3.Connection) -> None:
            sqlite_utils.Database(connection).table("streams").insert_all(rows, ignore=True)

        return self._db.submit(write)

    def all(self) -> list[StreamRecord]:
        """Return every stream ever planned."""
        rows = self._db.read("SELECT stream_id, agent, path, protocol, type_p FROM streams", ())
        return [
            StreamRecord(
                stream_id=row[0], agent=row[1], path=row[2], protocol=row[3], type_p=row[4]
            )
            for row in rows
        ]


class SqliteSites:
    """The copy of the site file's sites; see `SiteStore`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put(self, sites: Sequence[tuple[str, bytes]], now_ns: int) -> Future[None]:
        """Replace the copy of the sites that is kept for inspection."""
        rows = [
            {"name": name, "document": document.decode(), "loaded_ns": now_ns}
            for name, document in sites
        ]

        def write(connection: sqlite3.Connection) -> None:
            table = sqlite_utils.Database(connection).table("sites")
            table.delete_where()
            table.insert_all(rows)

        return self._db.submit(write)


class SqliteSilences:
    """A `SilenceStore` on the store's one writer and its readers."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put(self, records: Sequence[SilenceRecord]) -> Future[None]:
        """Keep records; see `SilenceStore.put`."""
        rows = [
            (*(getattr(one, name) for name in _SILENCE), one.stream_ids.astype("<u8").tobytes())
            for one in records
        ]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(_PUT_SILENCE, rows)
            for agent in {one.agent for one in records}:
                connection.execute(_FORGET_SILENCES, (agent, SILENCES_KEPT))

        return self._db.submit(write, sum(len(row[-1]) for row in rows))

    def records(self) -> list[SilenceRecord]:
        """Return all that are kept, oldest first."""
        return [
            SilenceRecord(
                **dict(zip(_SILENCE, row[:-1], strict=True)),
                stream_ids=np.frombuffer(row[-1], "<u8").astype(np.uint64),
            )
            for row in self._db.read(_SILENCES)
        ]


class SqliteDuplicates:
    """A `DuplicateStore` on the store's one writer and its readers."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put(self, records: Sequence[DuplicateRecord]) -> Future[None]:
        """Keep records; see `DuplicateStore.put`."""
        rows = [(one.agent, one.boot, one.refused, one.seen_ns) for one in records]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(_PUT_DUPLICATE, rows)
            connection.executemany(
                _FORGET_DUPLICATES, [(one.agent, DUPLICATES_KEPT) for one in records]
            )

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


def _plan_in(frame: bytes, agent: str, version: int) -> bytes | None:
    """Return a plan's JSON, or None where it is damaged."""
    return sound(f"the plan {version} of {agent}", lambda: unseal(frame, _MAX_PLAN_BYTES))
