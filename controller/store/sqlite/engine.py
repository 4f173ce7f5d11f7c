"""A store in one SQLite database: ``sqlite:///path/of/the/data/directory``."""

from __future__ import annotations

import functools
import pathlib

from controller.store.interface import Store
from controller.store.levels import KEPT, Retention
from controller.store.sqlite.backup import back_up, check, examine
from controller.store.sqlite.campaign_rows import SqliteBaselines, SqliteCampaigns
from controller.store.sqlite.database import FILE_NAME, Database
from controller.store.sqlite.event_log import SqliteEventLog
from controller.store.sqlite.metadata import (
    SqliteDuplicates,
    SqlitePlans,
    SqliteSilences,
    SqliteSites,
    SqliteStreams,
)
from controller.store.sqlite.opening import reporting_damage
from controller.store.sqlite.rollups import SqliteRollups
from controller.store.sqlite.series import SqliteSeries
from controller.store.sqlite.windows import SqliteWindows

__all__ = ["FILE_NAME", "back_up", "check", "examine", "open_store"]


def open_store(
    directory: pathlib.Path, *, retention: Retention = KEPT, max_pages: int | None = None
) -> Store:
    """Open the database of a directory. Raises ConfigError or ResourceError."""
    database = Database(directory, max_pages=max_pages)
    return store_on(database, retention)


def store_on(database: Database, retention: Retention = KEPT) -> Store:
    """Return the store whose tables are in a database."""
    return Store(
        windows=SqliteWindows(database),
        series=SqliteSeries(database),
        rollups=SqliteRollups(database, retention),
        streams=SqliteStreams(database),
        plans=SqlitePlans(database),
        sites=SqliteSites(database),
        baselines=SqliteBaselines(database),
        event_log=SqliteEventLog(database),
        campaigns=SqliteCampaigns(database),
        silences=SqliteSilences(database),
        duplicates=SqliteDuplicates(database),
        state=database.state,
        reporting_damage=functools.partial(reporting_damage, database.path),
        close=database.close,
    )
