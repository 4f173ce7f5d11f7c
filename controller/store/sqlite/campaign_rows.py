"""Campaigns, their reports and sealed baselines as rows of the SQLite database."""

from __future__ import annotations

import sqlite3
from concurrent.futures import Future
from typing import Any

from controller.store.records import (
    CAMPAIGNS_KEPT,
    MAX_REPORTS_BYTES,
    BaselineRecord,
    CampaignRecord,
)
from controller.store.sqlite.database import Database

_ASKED = ("name", "request", "from_ns", "to_ns", "created_ns", "created_by")
_BECAME = (
    "streams",
    "begun_ns",
    "ended_ns",
    "ended_by",
    "refused",
    "throttled",
    "reported_ns",
    "results",
)
_COLUMNS = (*_ASKED, *_BECAME)
_MARKS = ", ".join("?" * len(_COLUMNS))
_INSERT = f"INSERT OR IGNORE INTO campaigns ({', '.join(_COLUMNS)}) VALUES ({_MARKS})"  # noqa: S608 -- constants alone
_CHANGE = f"UPDATE campaigns SET {', '.join(f'{name} = ?' for name in _BECAME)} WHERE id = ?"  # noqa: S608 -- constants alone
_SELECT = f"SELECT id, {', '.join(_COLUMNS)} FROM campaigns ORDER BY id"  # noqa: S608 -- constants alone
_FORGET = (
    "DELETE FROM campaigns WHERE id IN (SELECT id FROM campaigns WHERE ended_ns IS NOT NULL "
    "ORDER BY id LIMIT max(0, (SELECT count(*) FROM campaigns) - ?))"
)
# The newest reports whose sizes add up to no more than the bound stay, the newest one always.
_FORGET_REPORTS = (
    "DELETE FROM campaign_reports WHERE id NOT IN (SELECT id FROM campaigns) OR id IN ("
    "SELECT id FROM (SELECT id, sum(length(page)) OVER (ORDER BY id DESC) AS sum, "
    "row_number() OVER (ORDER BY id DESC) AS place FROM campaign_reports) "
    "WHERE sum > ? AND place > 1)"
)


class SqliteCampaigns:
    """A `CampaignStore` on the store's one writer and its readers."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put(self, record: CampaignRecord) -> Future[int]:
        """Keep a campaign; see `CampaignStore.put`."""
        row = _row(record, _COLUMNS)

        def write(connection: sqlite3.Connection) -> int:
            added = connection.execute(_INSERT, row)
            number = added.lastrowid if added.rowcount == 1 else 0
            connection.execute(_FORGET, (CAMPAIGNS_KEPT,))
            return number or 0

        return self._db.submit(write, len(record.request))

    def change(self, record: CampaignRecord) -> Future[None]:
        """Keep what became of a campaign; see `CampaignStore.change`."""
        row = (*_row(record, _BECAME), record.id)

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(_CHANGE, row)

        return self._db.submit(write)

    def put_report(self, number: int, page: bytes) -> Future[None]:
        """Keep the report of a campaign; see `CampaignStore.put_report`."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO campaign_reports (id, page) VALUES (?, ?)", (number, page)
            )
            connection.execute(_FORGET_REPORTS, (MAX_REPORTS_BYTES,))

        return self._db.submit(write, len(page))

    def records(self) -> list[CampaignRecord]:
        """Return every campaign that is kept, oldest first."""
        names = ("id", *_COLUMNS)
        return [
            CampaignRecord(**dict(zip(names, row, strict=True))) for row in self._db.read(_SELECT)
        ]

    def report(self, number: int) -> bytes | None:
        """Return the report of a campaign; see `CampaignStore.report`."""
        rows = self._db.read("SELECT page FROM campaign_reports WHERE id = ?", (number,))
        return rows[0][0] if rows else None


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


def _row(record: CampaignRecord, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(getattr(record, name) for name in names)
