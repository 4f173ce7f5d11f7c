"""The tables, as named migrations in order; which were applied is recorded in the database.

A migration that was released is never edited: another is added behind it.
"""

from __future__ import annotations

import sqlite_utils
from sqlite_utils.migrations import Migrations

APPLICATION_ID = 0x69736F63  # "isoc": tells our file from anyone else's
PAGE_BYTES = 8192  # chunks of tens of kilobytes waste less of bigger pages

migrations = Migrations("isochrone")


@migrations(name="0001_metadata")
def create_metadata(db: sqlite_utils.Database) -> None:
    """Create the tables of rows: sites, agents, plans, streams, verdicts, audit."""
    db.table("sites").create({"name": str, "document": str, "loaded_ns": int}, pk="name")
    db.table("agents").create(
        {
            "name": str,
            "windows": int,
            "chunks": int,
            "last_window_ns": int,
            "last_received_ns": int,
        },
        pk="name",
        defaults={"windows": 0, "chunks": 0},
        not_null={"windows", "chunks"},
    )
    db.table("plans").create(
        {"agent": str, "version": int, "content": bytes, "created_ns": int}, pk=("agent", "version")
    )
    db.table("streams").create(
        {"stream_id": int, "agent": str, "path": str, "protocol": str, "type_p": str},
        pk="stream_id",
    )
    db.table("verdicts").create(
        {"target": str, "path": str, "verdict": str, "since_ns": int}, pk=("target", "path")
    )
    db.table("audit").create(
        {"id": int, "at_ns": int, "actor": str, "action": str, "detail": str}, pk="id"
    )


@migrations(name="0002_chunks")
def create_chunks(db: sqlite_utils.Database) -> None:
    """Create the table of chunks; its unique key makes ingest idempotent."""
    db.table("chunks").create(
        {
            "id": int,
            "agent": str,
            "boot": str,
            "sequence": int,
            "plan_version": int,
            "start_ns": int,
            "duration_ns": int,
            "rows": int,
            "received_ns": int,
            "payload": bytes,
        },
        pk="id",
    )
    db.table("chunks").create_index(["agent", "boot", "sequence"], unique=True)
    db.table("chunks").create_index(["agent", "start_ns"])
    db.table("chunks").create_index(["start_ns"])


@migrations(name="0003_changes")
def create_changes(db: sqlite_utils.Database) -> None:
    """Create the log of verdicts that changed; `previous` is null for a demand's first verdict."""
    db.table("changes").create(
        {
            "id": int,
            "at_ns": int,
            "target": str,
            "path": str,
            "verdict": str,
            "previous": str,
            "previous_since_ns": int,
        },
        pk="id",
    )
    db.table("changes").create_index(["target", "path"])
    db.table("changes").create_index(["at_ns"])


@migrations(name="0004_baselines")
def create_baselines(db: sqlite_utils.Database) -> None:
    """Create the table of sealed baselines; a row is never changed."""
    db.table("baselines").create(
        {
            "name": str,
            "from_ns": int,
            "to_ns": int,
            "sealed_ns": int,
            "digest": str,
            "content": bytes,
        },
        pk="name",
    )


@migrations(name="0005_event_log")
def create_event_log(db: sqlite_utils.Database) -> None:
    """Create the one event log, the last states and the maintenance; changes of verdicts move in.

    `target` is null in events, and empty in states, of everything that is no verdict.
    """
    event = {
        "id": int,
        "at_ns": int,
        "kind": str,
        "subject": str,
        "target": str,
        "state": str,
        "previous": str,
        "previous_since_ns": int,
    }
    db.table("events").create(event, pk="id")
    db.execute(
        "INSERT INTO events SELECT id, at_ns, 'verdict', path, target, verdict, previous, "
        "previous_since_ns FROM changes"
    )
    db.table("events").create_index(["subject", "target"])
    db.table("events").create_index(["at_ns"])
    state = {"kind": str, "subject": str, "target": str, "state": str, "since_ns": int}
    db.table("states").create(state, pk=("kind", "subject", "target"))
    db.execute("INSERT INTO states SELECT 'verdict', path, target, verdict, since_ns FROM verdicts")
    db.table("changes").drop()
    db.table("verdicts").drop()
    maintenance = {
        "id": int,
        "from_ns": int,
        "to_ns": int,
        "sites": str,
        "carriers": str,
        "paths": str,
        "reason": str,
        "created_ns": int,
        "created_by": str,
        "ended_ns": int,
        "ended_by": str,
    }
    db.table("maintenance").create(maintenance, pk="id")


@migrations(name="0006_rollups")
def create_rollups(db: sqlite_utils.Database) -> None:
    """Create blocks, tiles and what waits to be rolled up: all chunks that exist already."""
    block = {"id": int, "level": int, "agent": str, "start_ns": int, "figures": bytes}
    db.table("rollups").create(block | {"payload": bytes}, pk="id")
    db.table("rollups").create_index(["level", "agent", "start_ns"], unique=True)
    db.table("rollups").create_index(["level", "start_ns"])
    db.execute(
        "CREATE INDEX open_rollups ON rollups (level, agent, start_ns) WHERE figures IS NOT NULL"
    )
    tile = {"id": int, "level": int, "stream_id": int, "start_ns": int, "payload": bytes}
    db.table("tiles").create(tile, pk="id")
    db.table("tiles").create_index(["level", "stream_id", "start_ns"], unique=True)
    db.table("tiles").create_index(["level", "start_ns"])
    db.table("pending").create(
        {"level": int, "agent": str, "start_ns": int, "mark": int, "since_ns": int},
        pk=("level", "agent", "start_ns"),
    )
    db.execute(
        "INSERT INTO pending SELECT 1, agent, start_ns / 60000000000 * 60000000000, count(*), 0 "
        "FROM chunks GROUP BY 1, 2, 3"
    )


@migrations(name="0007_campaigns")
def create_campaigns(db: sqlite_utils.Database) -> None:
    """Create the tables of campaigns and of their reports, which are large and seldom read."""
    campaign = {
        "id": int,
        "name": str,
        "request": bytes,
        "from_ns": int,
        "to_ns": int,
        "created_ns": int,
        "created_by": str,
        "streams": int,
        "begun_ns": int,
        "ended_ns": int,
        "ended_by": str,
        "refused": int,
        "throttled": int,
        "reported_ns": int,
        "results": bytes,
    }
    db.table("campaigns").create(campaign, pk="id")
    db.table("campaigns").create_index(["name"], unique=True)
    db.table("campaign_reports").create({"id": int, "page": bytes}, pk="id")


@migrations(name="0008_silences")
def create_silences(db: sqlite_utils.Database) -> None:
    """Create the table of times in which streams were silent by an owner's or an agent's doing."""
    silence = {
        "mark": str,
        "agent": str,
        "side": str,
        "rule": str,
        "action": str,
        "share": float,
        "from_ns": int,
        "to_ns": int,
        "streams": bytes,
    }
    db.table("silences").create(silence, pk="mark")
    db.table("silences").create_index(["from_ns"])


@migrations(name="0009_rivals")
def create_duplicates(db: sqlite_utils.Database) -> None:
    """Create the table of lives of agents that had another of the same name beside them."""
    db.table("duplicates").create(
        {"agent": str, "boot": str, "refused": int, "seen_ns": int}, pk=("agent", "boot")
    )


@migrations(name="0010_sections")
def create_counts_of_sections(db: sqlite_utils.Database) -> None:
    """Count results of every kind: of each chunk, beside its key, and of each agent."""
    db.table("chunks").add_column("counts", str, not_null_default="{}")
    db.execute("UPDATE chunks SET counts = '{\"windows\":' || rows || '}' WHERE rows > 0")
    order = ["id", "agent", "boot", "sequence", "plan_version", "start_ns", "duration_ns", "counts"]
    db.table("chunks").transform(
        drop={"rows"}, column_order=[*order, "received_ns", "payload"], defaults={"counts": None}
    )
    db.table("results").create(
        {"agent": str, "kind": str, "results": int}, pk=("agent", "kind"), not_null={"results"}
    )
    db.execute("INSERT INTO results SELECT name, 'windows', windows FROM agents WHERE windows > 0")
    db.table("agents").transform(drop={"windows"})
