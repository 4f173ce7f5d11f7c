"""The spool: chunks on disk until the controller has committed them.

One SQLite file in WAL mode, fully synchronous: what `put` returned for is there after kill -9 and
after a power cut. The sequence of chunks goes on across restarts; each start has a new boot id, so
that a spool restored from an old copy can never pass new windows off as ones already delivered.

This module is the file itself and may block; `agent.spooler` runs it on a thread of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, get_args

from agent.spool_database import open_spool, transaction
from probes.exchange import DropReason

DROP_REASONS: tuple[DropReason, ...] = get_args(DropReason)


class Count(NamedTuple):
    """Windows, and the probes sent in them."""

    windows: int = 0
    probes: int = 0

    def plus(self, other: Count) -> Count:
        """Return the sum."""
        return Count(self.windows + other.windows, self.probes + other.probes)

    def less(self, other: Count) -> Count:
        """Return the difference."""
        return Count(self.windows - other.windows, self.probes - other.probes)


def total(counts: Iterable[Count]) -> Count:
    """Return the sum of many."""
    result = Count()
    for count in counts:
        result = result.plus(count)
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledChunk:
    """An encoded chunk with what the spool must know of it."""

    sequence: int
    start_ns: int
    windows: int
    probes: int
    payload: bytes

    @property
    def count(self) -> Count:
        """What is lost if it is."""
        return Count(self.windows, self.probes)


class SpoolFile:
    """The spool's SQLite file. Raises sqlite3.OperationalError when the disk is full.

    `accounted` is what was ever given to it, be it chunks or news of what was lost before;
    `dropped` what of that was given up, by reason; `waiting` what is still to be delivered. So
    accounted = delivered + waiting + dropped, always, since each change is one transaction.
    """

    def __init__(self, path: Path, *, max_bytes: int, max_age_ns: int) -> None:
        self.limit(max_bytes=max_bytes, max_age_ns=max_age_ns)
        self._connection = open_spool(path)
        row = self._connection.execute(
            "SELECT count(*), coalesce(sum(bytes), 0), coalesce(max(sequence), 0),"
            " coalesce(sum(windows) FILTER (WHERE refused IS NULL), 0),"
            " coalesce(sum(probes) FILTER (WHERE refused IS NULL), 0) FROM chunk"
        ).fetchone()
        self.chunks, self.bytes = int(row[0]), int(row[1])
        self.waiting = Count(int(row[3]), int(row[4]))
        known = {
            str(name): int(value)
            for name, value in self._connection.execute("SELECT name, value FROM counter")
        }
        self.next_sequence = max(known.get("next_sequence", 0), int(row[2]) + 1)
        self.accounted = Count(known.get("accounted.windows", 0), known.get("accounted.probes", 0))
        self.dropped: dict[DropReason, Count] = {
            reason: Count(
                known.get(f"dropped.{reason}.windows", 0), known.get(f"dropped.{reason}.probes", 0)
            )
            for reason in DROP_REASONS
        }

    def limit(self, *, max_bytes: int, max_age_ns: int) -> None:
        """Keep so many bytes of chunks, and none that began longer ago, from now on."""
        self._max_bytes, self._max_age_ns = max_bytes, max_age_ns

    def put(
        self,
        chunks: list[SpooledChunk],
        now_ns: int,
        lost: Mapping[DropReason, Count] | None = None,
    ) -> None:
        """Commit chunks, dropping the oldest that no longer fit; all of it or nothing.

        `lost` never became a chunk, or was one that could not be kept: it is only counted.
        """
        lost = dict(lost or {})
        accounted = self.accounted.plus(total([*lost.values(), *(one.count for one in chunks)]))
        added_bytes = sum(len(chunk.payload) for chunk in chunks)
        following = max([self.next_sequence, *(chunk.sequence + 1 for chunk in chunks)])
        with transaction(self._connection):
            self._connection.executemany(
                "INSERT INTO chunk VALUES (?, ?, ?, ?, ?, NULL, ?)",
                [
                    (c.sequence, c.start_ns, c.windows, c.probes, len(c.payload), c.payload)
                    for c in chunks
                ],
            )
            dropped = dict(self.dropped)
            for reason, count in lost.items():
                dropped[reason] = dropped[reason].plus(count)
            gone = self._make_room(self.bytes + added_bytes, now_ns, dropped)
            self._set_counter("next_sequence", following)
            self._set_count("accounted", accounted)
            self._set_dropped(dropped)
        self.next_sequence, self.accounted, self.dropped = following, accounted, dropped
        self.waiting = self.waiting.plus(total(one.count for one in chunks)).less(gone.waiting)
        self.chunks += len(chunks) - gone.chunks
        self.bytes += added_bytes - gone.bytes

    def pending(
        self, limit: int, *, newest: bool = False, skip: frozenset[int]
    ) -> list[SpooledChunk]:
        """Return up to `limit` chunks to deliver, oldest (or newest) first, without `skip`."""
        order = "DESC" if newest else "ASC"
        rows = self._connection.execute(
            "SELECT sequence, start_ns, windows, probes, payload FROM chunk"  # noqa: S608 (order is one of two constants)
            f" WHERE refused IS NULL ORDER BY sequence {order} LIMIT ?",
            (limit + len(skip),),
        )
        found = [
            SpooledChunk(
                sequence=row[0], start_ns=row[1], windows=row[2], probes=row[3], payload=row[4]
            )
            for row in rows
            if row[0] not in skip
        ]
        return found[:limit]

    def delete(self, sequences: list[int]) -> None:
        """Forget chunks that the controller has committed."""
        with transaction(self._connection):
            gone = self._delete(sequences)
        self._forget(gone)

    def refuse(self, sequence: int, reason: str) -> None:
        """Keep a chunk that the controller will not have: out of the way, counted as dropped."""
        with transaction(self._connection):
            row = self._connection.execute(
                "UPDATE chunk SET refused = ? WHERE sequence = ? AND refused IS NULL"
                " RETURNING windows, probes",
                (reason, sequence),
            ).fetchone()
            count = Count(int(row[0]), int(row[1])) if row else Count()
            dropped = self.dropped | {"refused": self.dropped["refused"].plus(count)}
            self._set_dropped(dropped)
        self.dropped, self.waiting = dropped, self.waiting.less(count)

    def relieve(self) -> None:
        """Empty the log into the file, which may make room on a full disk."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _make_room(self, total_bytes: int, now_ns: int, dropped: dict[DropReason, Count]) -> _Gone:
        """Delete what is too old, then what does not fit (refused chunks first); count it."""
        too_old = self._connection.execute(
            "SELECT sequence FROM chunk WHERE start_ns < ?", (now_ns - self._max_age_ns,)
        ).fetchall()
        gone = self._delete([row[0] for row in too_old])
        dropped["too_old"] = dropped["too_old"].plus(gone.waiting)
        excess = total_bytes - gone.bytes - self._max_bytes
        doomed = []
        for condition in ("IS NOT NULL", "IS NULL"):
            rows = self._connection.execute(
                f"SELECT sequence, bytes FROM chunk WHERE refused {condition} ORDER BY sequence"  # noqa: S608 (one of two constants)
            )
            for sequence, size in rows:
                if excess <= 0:
                    break
                doomed.append(int(sequence))
                excess -= size
        no_room = self._delete(doomed)
        dropped["no_room"] = dropped["no_room"].plus(no_room.waiting)
        return gone.plus(no_room)

    def _delete(self, sequences: list[int]) -> _Gone:
        gone = _Gone()
        for sequence in sequences:
            row = self._connection.execute(
                "DELETE FROM chunk WHERE sequence = ? RETURNING bytes, windows, probes, refused",
                (sequence,),
            ).fetchone()
            if row:
                waiting = Count() if row[3] is not None else Count(int(row[1]), int(row[2]))
                gone = gone.plus(_Gone(1, int(row[0]), waiting))
        return gone

    def _forget(self, gone: _Gone) -> None:
        self.chunks -= gone.chunks
        self.bytes -= gone.bytes
        self.waiting = self.waiting.less(gone.waiting)

    def _set_dropped(self, dropped: Mapping[DropReason, Count]) -> None:
        for reason, count in dropped.items():
            if count != self.dropped[reason]:
                self._set_count(f"dropped.{reason}", count)

    def _set_count(self, name: str, count: Count) -> None:
        self._set_counter(f"{name}.windows", count.windows)
        self._set_counter(f"{name}.probes", count.probes)

    def _set_counter(self, name: str, value: int) -> None:
        self._connection.execute("INSERT OR REPLACE INTO counter VALUES (?, ?)", (name, value))


class _Gone(NamedTuple):
    """What was deleted: `waiting` counts only what was still to be delivered."""

    chunks: int = 0
    bytes: int = 0
    waiting: Count = Count()

    def plus(self, other: _Gone) -> _Gone:
        return _Gone(
            self.chunks + other.chunks,
            self.bytes + other.bytes,
            self.waiting.plus(other.waiting),
        )
