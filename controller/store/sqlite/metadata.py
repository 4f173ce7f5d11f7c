"""Plans, streams, sites and baselines as rows of the SQLite database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future

import sqlite_utils

from controller.store.interface import (
    BaselineRecord,
    PlanRecord,
    StreamRecord,
)
from controller.store.readable import sound
from controller.store.sqlite.database import Database
from messages.frame import seal, unseal

PLANS_KEPT = 1000  # versions of an agent's plan; campaigns make two each
_MAX_PLAN_BYTES = 1 << 30


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


class SqliteBaselines:
    """Sealed baselines; see `BaselineStore`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put(self, baseline: BaselineRecord) -> Future[bool]:
        """Keep a sealed baseline; see `BaselineStore.put`."""
        b = baseline
        row = (b.name, b.from_ns, b.to_ns, b.sealed_ns, b.digest, b.content)

        def write(connection: sqlite3.Connection) -> bool:
            cursor = connection.execute("INSERT OR IGNORE INTO baselines VALUES (?,?,?,?,?,?)", row)
            return cursor.rowcount == 1

        return self._db.submit(write, len(baseline.content))

    def all(self) -> list[BaselineRecord]:
        """Return every sealed baseline, oldest first."""
        rows = self._db.read(
            "SELECT name, from_ns, to_ns, sealed_ns, digest, content FROM baselines "
            "ORDER BY sealed_ns",
            (),
        )
        return [
            BaselineRecord(
                name=row[0],
                from_ns=row[1],
                to_ns=row[2],
                sealed_ns=row[3],
                digest=row[4],
                content=row[5],
            )
            for row in rows
        ]


def _plan_in(frame: bytes, agent: str, version: int) -> bytes | None:
    """Return a plan's JSON, or None where it is damaged."""
    return sound(f"the plan {version} of {agent}", lambda: unseal(frame, _MAX_PLAN_BYTES))
