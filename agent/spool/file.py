"""The spool: chunks on disk until the controller has committed them.

One SQLite file in WAL mode, fully synchronous: what `put` returned for is there after kill -9 and
after a power cut. The sequence of chunks continues across restarts; each start has a new boot id,
so that a spool restored from an old copy can never pass new windows off as ones already delivered.

This module is the file itself and may block; `agent.spool.spooler` runs it on its own thread.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args

from agent.spool.counts import Count, from_json, total
from agent.spool.database import Connect, open_spool, transaction
from messages.exchange import DropReason

DROP_REASONS: tuple[DropReason, ...] = get_args(DropReason)
_CHUNKS = "SELECT sequence, boot, start_ns, counts, payload FROM chunk"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledChunk:
    """An encoded chunk with what the spool must know of it."""

    sequence: int
    boot: str
    start_ns: int
    count: Count  # what is lost if it is
    payload: bytes


class Limits(NamedTuple):
    """What a spool keeps: so many bytes of chunks, and none that has waited for longer."""

    max_bytes: int
    max_age_ns: int


class SpoolFile:
    """The spool's SQLite file. Raises sqlite3.OperationalError when the disk is full, another
    sqlite3.DatabaseError when the file is damaged.

    `accounted` is what was ever given to it, be it chunks or news of what was lost before;
    `dropped` what of that was given up, by reason; `waiting` what is still to be delivered. So
    accounted = delivered + waiting + dropped, always, since each change is one transaction.

    Time is `ran_ns`: how long agents have run on this spool in all. No wall clock says how long a
    chunk has waited: it may be wrong at boot, or be set meanwhile.
    """

    def __init__(self, path: Path, limits: Limits, connect: Connect = open_spool) -> None:
        self.limits = limits
        self._connection = connect(path)
        row = self._connection.execute(
            "SELECT count(*), coalesce(sum(bytes), 0), coalesce(max(sequence), 0) FROM chunk"
        ).fetchone()
        self.chunks, self.bytes = int(row[0]), int(row[1])
        self.waiting = Count(
            {
                str(name): int(count)
                for name, count in self._connection.execute(
                    "SELECT key, sum(value) FROM chunk, json_each(chunk.counts)"
                    " WHERE refused IS NULL GROUP BY key"
                )
            }
        )
        known = {
            str(name): int(value)
            for name, value in self._connection.execute("SELECT name, value FROM counter")
        }
        self.ran_ns = known.get("ran_ns", 0)  # when it was written last
        self.next_sequence = max(known.get("next_sequence", 0), int(row[2]) + 1)
        self.accounted = count_among(known, "accounted")
        self.dropped: dict[DropReason, Count] = {
            reason: count_among(known, f"dropped.{reason}") for reason in DROP_REASONS
        }

    def put(
        self,
        chunks: list[SpooledChunk],
        ran_ns: int,
        lost: Mapping[DropReason, Count] | None = None,
        spare: Collection[int] = (),
    ) -> None:
        """Commit chunks, dropping the oldest that no longer fit; all of it or nothing.

        `lost` never became a chunk, or was one that could not be kept: it is only counted. The
        chunks of `spare` are not dropped. `ran_ns`: how long agents have run on this spool now.
        """
        lost = dict(lost or {})
        accounted = self.accounted.plus(total([*lost.values(), *(one.count for one in chunks)]))
        added_bytes = sum(len(chunk.payload) for chunk in chunks)
        following = max([self.next_sequence, *(chunk.sequence + 1 for chunk in chunks)])
        with transaction(self._connection):
            self._connection.executemany(
                "INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, NULL, ?)",
                [_row_of(chunk, ran_ns) for chunk in chunks],
            )
            dropped = dict(self.dropped)
            for reason, count in lost.items():
                dropped[reason] = dropped[reason].plus(count)
            gone = self._make_room(self.bytes + added_bytes, ran_ns, dropped, spare)
            self._set_counter("next_sequence", following)
            self._set_counter("ran_ns", ran_ns)
            self._set_count("accounted", accounted)
            self._set_dropped(dropped)
        self.ran_ns = ran_ns
        self.next_sequence, self.accounted, self.dropped = following, accounted, dropped
        self.waiting = self.waiting.plus(total(one.count for one in chunks)).less(gone.waiting)
        self.chunks += len(chunks) - gone.chunks
        self.bytes += added_bytes - gone.bytes

    def pending(
        self, limit: int, *, newest: bool = False, skip: frozenset[int]
    ) -> list[SpooledChunk]:
        """Return up to `limit` chunks to deliver, oldest (or newest) first, without `skip`."""
        chunks = chunks_in(self._connection, newest=newest, limit=limit + len(skip))
        return [chunk for chunk in chunks if chunk.sequence not in skip][:limit]

    def find(self, sequence: int) -> SpooledChunk | None:
        """Return a chunk that is to be delivered, None where there is no such."""
        row = self._connection.execute(
            f"{_CHUNKS} WHERE refused IS NULL AND sequence = ?", (sequence,)
        ).fetchone()
        return None if row is None else _chunk_in(row)

    def holds(self, sequence: int) -> bool:
        """Whether a chunk is there, to be delivered or out of the way."""
        return bool(
            self._connection.execute(
                "SELECT 1 FROM chunk WHERE sequence = ?", (sequence,)
            ).fetchone()
        )

    def begin_at(self, accounted: Count, dropped: Mapping[DropReason, Count]) -> None:
        """Let a new file begin with what one before it had accounted for."""
        self.accounted, self.dropped = accounted, self.dropped | dict(dropped)
        # On a full disk they are written with the next chunk.
        with contextlib.suppress(sqlite3.OperationalError), transaction(self._connection):
            self._set_count("accounted", accounted)
            self._set_dropped(self.dropped)

    def delete(self, sequences: list[int]) -> None:
        """Forget chunks that the controller has committed."""
        with transaction(self._connection):
            gone = self._delete(sequences)
        self._forget(gone)

    def refuse(self, sequence: int, reason: str, counted: DropReason = "refused") -> None:
        """Keep a chunk that nobody will have: out of the way, counted as dropped."""
        with transaction(self._connection):
            row = self._connection.execute(
                "UPDATE chunk SET refused = ? WHERE sequence = ? AND refused IS NULL"
                " RETURNING counts",
                (reason, sequence),
            ).fetchone()
            count = from_json(row[0]) if row else Count()
            dropped = self.dropped | {counted: self.dropped[counted].plus(count)}
            self._set_dropped(dropped)
        self.dropped, self.waiting = dropped, self.waiting.less(count)

    def relieve(self) -> None:
        """Empty the log into the file, which may make room on a full disk."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _make_room(
        self,
        total_bytes: int,
        ran_ns: int,
        dropped: dict[DropReason, Count],
        spare: Collection[int],
    ) -> _Deleted:
        """Delete what is too old, then what does not fit (refused chunks first); count it."""
        too_old = self._connection.execute(
            "SELECT sequence FROM chunk WHERE kept_ns < ?", (ran_ns - self.limits.max_age_ns,)
        ).fetchall()
        gone = self._delete([row[0] for row in too_old if row[0] not in spare])
        dropped["too_old"] = dropped["too_old"].plus(gone.waiting)
        excess = total_bytes - gone.bytes - self.limits.max_bytes
        doomed = []
        for condition in ("IS NOT NULL", "IS NULL"):
            rows = self._connection.execute(
                f"SELECT sequence, bytes FROM chunk WHERE refused {condition} ORDER BY sequence"  # noqa: S608 (one of two constants)
            )
            for sequence, size in rows:
                if excess <= 0:
                    break
                if sequence in spare:
                    continue
                doomed.append(int(sequence))
                excess -= size
        no_room = self._delete(doomed)
        dropped["no_room"] = dropped["no_room"].plus(no_room.waiting)
        return gone.plus(no_room)

    def _delete(self, sequences: list[int]) -> _Deleted:
        gone = _Deleted()
        for sequence in sequences:
            row = self._connection.execute(
                "DELETE FROM chunk WHERE sequence = ? RETURNING bytes, counts, refused",
                (sequence,),
            ).fetchone()
            if row:
                waiting = Count() if row[2] is not None else from_json(row[1])
                gone = gone.plus(_Deleted(1, int(row[0]), waiting))
        return gone

    def _forget(self, gone: _Deleted) -> None:
        self.chunks -= gone.chunks
        self.bytes -= gone.bytes
        self.waiting = self.waiting.less(gone.waiting)

    def _set_dropped(self, dropped: Mapping[DropReason, Count]) -> None:
        for reason, count in dropped.items():
            if count:
                self._set_count(f"dropped.{reason}", count)

    def _set_count(self, name: str, count: Count) -> None:
        for kind, number in count.of.items():
            self._set_counter(f"{name}.{kind}", number)

    def _set_counter(self, name: str, value: int) -> None:
        self._connection.execute("INSERT OR REPLACE INTO counter VALUES (?, ?)", (name, value))


def chunks_in(
    connection: sqlite3.Connection, *, newest: bool, limit: int = -1
) -> Iterator[SpooledChunk]:
    """Yield the chunks to deliver, oldest (or newest) first."""
    order = "DESC" if newest else "ASC"
    rows = connection.execute(
        f"{_CHUNKS} WHERE refused IS NULL ORDER BY sequence {order} LIMIT ?", (limit,)
    )
    return map(_chunk_in, rows)


def count_among(known: Mapping[str, int], name: str) -> Count:
    """Return the count of that name among the numbers of a spool."""
    prefix = f"{name}."
    return Count(
        {key.removeprefix(prefix): n for key, n in known.items() if key.startswith(prefix)}
    )


def _row_of(c: SpooledChunk, ran_ns: int) -> tuple[Any, ...]:
    size = len(c.payload)
    return (c.sequence, c.boot, c.start_ns, c.count.to_json(), size, ran_ns, c.payload)


def _chunk_in(row: tuple[Any, ...]) -> SpooledChunk:
    sequence, boot, start_ns, counts, payload = row
    return SpooledChunk(
        sequence=int(sequence),
        boot=str(boot),
        start_ns=int(start_ns),
        count=from_json(counts),
        payload=bytes(payload),
    )


class _Deleted(NamedTuple):
    """What was deleted: `waiting` counts only what was still to be delivered."""

    chunks: int = 0
    bytes: int = 0
    waiting: Count = Count()

    def plus(self, other: _Deleted) -> _Deleted:
        return _Deleted(
            self.chunks + other.chunks,
            self.bytes + other.bytes,
            self.waiting.plus(other.waiting),
        )
