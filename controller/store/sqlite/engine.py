"""The store that comes with the controller: one SQLite database in the data directory."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

from controller.store.blocks import Block
from controller.store.levels import KEPT, Retention
from controller.store.sqlite.campaigns import SqliteCampaigns
from controller.store.sqlite.database import FILE_NAME
from controller.store.sqlite.duplicates import SqliteDuplicates
from controller.store.sqlite.event_log import SqliteEventLog
from controller.store.sqlite.metadata import SqliteRows
from controller.store.sqlite.retention import SqliteRetention
from controller.store.sqlite.rollups import SqliteRollups
from controller.store.sqlite.series import SqliteSeries
from controller.store.sqlite.silences import SqliteSilences
from controller.store.sqlite.windows import SqliteWindows

__all__ = ["FILE_NAME", "SqliteStore"]


class SqliteStore(SqliteRows, SqliteWindows):
    """A `Store` in one file. Opening it may raise ConfigError or ResourceError."""

    def __init__(
        self,
        directory: pathlib.Path,
        *,
        retention: Retention = KEPT,
        max_pages: int | None = None,
    ) -> None:
        super().__init__(directory, max_pages=max_pages)
        self.event_log = SqliteEventLog(self._writer, self._read)
        self.campaigns = SqliteCampaigns(self._writer, self._read)
        self.silences = SqliteSilences(self._writer, self._read)
        self.duplicates = SqliteDuplicates(self._writer, self._read)
        self._rollups = SqliteRollups(self._writer, self._read)
        self._retention = SqliteRetention(self._writer, retention)
        self.series = SqliteSeries(self._read).series

    def roll_up(self, now_ns: int, limit: int) -> int:
        """Merge what is due; see `WindowStore.roll_up`."""
        return self._rollups.roll_up(now_ns, limit)

    def hours_of(self, agent: str, from_ns: int, to_ns: int) -> Iterator[tuple[int, Block]]:
        """Yield an agent's merged hours; see `WindowStore.hours_of`."""
        return self._rollups.hours_of(agent, from_ns, to_ns)

    def pending_rollups(self) -> int:
        """Return how many intervals wait; see `WindowStore.pending_rollups`."""
        return self._rollups.pending()

    def expire(self, now_ns: int) -> int:
        """Forget what is too old; see `WindowStore.expire`."""
        return self._retention.expire(now_ns)
