"""A damaged spool: set aside under another name, read as far as it can be, the rest counted.

What was lost with it is known from the delivery counters: what the spool was given, less what the
controller took, what was dropped and what can still be read. So measuring continues and the
accounts close.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from agent.spool.counts import Count, total
from agent.spool.database import Connect, DamagedSpoolError, open_spool, set_aside
from agent.spool.file import DROP_REASONS, Limits, SpooledChunk, SpoolFile, chunks_in, count_among
from agent.spool.sent_counters import SentCounters
from foundation.clock import Clock
from foundation.errors import ResourceError
from foundation.reasons import reason_of
from foundation.sqlite_faults import is_damage
from messages.chunk import is_whole
from messages.exchange import DropReason

_LOG = logging.getLogger(__name__)
_CHUNKS_AT_ONCE = 32


def open_or_replace(
    path: Path,
    limits: Limits,
    sent_counters: SentCounters,
    clock: Clock,
    connect: Connect = open_spool,
) -> tuple[SpoolFile, str | None]:
    """Open the spool; one that is damaged is replaced. Returns it and where the other went."""
    try:
        file = SpoolFile(path, limits, connect)
    except (DamagedSpoolError, sqlite3.Error, TypeError, ValueError) as error:
        if not isinstance(error, DamagedSpoolError) and not is_damage(error):
            raise
        return replaced(path, limits, sent_counters, clock, connect=connect)
    from_disk = sent_counters.deliveries.delivered.less(sent_counters.deliveries.beside)
    if from_disk.less(file.accounted).at_least_none():  # it was cut to nothing, or is an older copy
        _go_on(file, _everything(sent_counters), file.dropped, sent_counters)
    return file, None


def replaced(
    path: Path,
    limits: Limits,
    sent_counters: SentCounters,
    clock: Clock,
    *,
    known: SpoolFile | None = None,
    in_memory: Collection[int] = (),
    connect: Connect = open_spool,
) -> tuple[SpoolFile, str]:
    """Set a damaged spool aside and begin a new one with what can be read of it.

    `known` is the spool as it was open, `in_memory` the chunks that it was not given yet. Returns
    the new file and the name of the other. ResourceError where none can be begun.
    """
    if known is not None:
        known.close()
    suffix = dt.datetime.fromtimestamp(clock.wall_ns() // 10**9, dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    try:
        aside = set_aside(path, suffix)
        file = SpoolFile(path, limits, connect)
    except (OSError, sqlite3.Error, DamagedSpoolError) as error:
        raise ResourceError(
            f"The damaged spool {path} cannot be replaced ({error}); check the directory's "
            "permissions and the free space of its disk.",
            f"无法替换已损坏的缓存文件 {path}（{reason_of(error).zh}）；"
            "请检查目录权限和磁盘剩余空间。",
            file=str(path),
        ) from error
    held = aside if aside.is_file() else ":memory:"  # in a directory or a pipe is no spool
    with contextlib.closing(sqlite3.connect(held, isolation_level=None)) as damaged:
        accounted, dropped = _told_by(damaged, sent_counters)
        if known is not None:
            accounted, dropped = known.accounted, known.dropped
        _take_over(file, damaged)
    gone = _go_on(file, accounted, dropped, sent_counters, in_memory)
    _LOG.error(
        "the spool was damaged: it is %s now; %d results of it continue, %d are lost",
        *(aside, file.waiting.results, gone.results),
    )
    return file, str(aside)


def _go_on(
    file: SpoolFile,
    accounted: Count,
    dropped: Mapping[DropReason, Count],
    sent_counters: SentCounters,
    in_memory: Collection[int] = (),
) -> Count:
    """Let a file continue with the accounts of the one before it; return what was lost
    with that.
    """
    asked = total(
        offer.held
        for sequence, offer in sent_counters.deliveries.in_doubt().items()
        if sequence not in in_memory and not file.holds(sequence)
    )
    accounted = accounted.less(asked).at_least_none()
    known = [sent_counters.deliveries.delivered, *dropped.values(), file.waiting]
    gone = accounted.plus(sent_counters.deliveries.beside).less(total(known)).at_least_none()
    damaged = dropped.get("damaged", Count()).plus(gone)
    file.begin_at(accounted, {**dropped, "damaged": damaged})
    return gone


def _everything(sent_counters: SentCounters) -> Count:
    """Return all that a spool can have been given."""
    return sent_counters.made.less(sent_counters.deliveries.beside).at_least_none()


def _take_over(file: SpoolFile, damaged: sqlite3.Connection) -> None:
    """Put what can be read into the new file, as far as the disk takes it."""
    batch: list[SpooledChunk] = []
    with contextlib.suppress(sqlite3.OperationalError):
        for chunk in _readable(damaged):
            batch.append(chunk)
            if len(batch) >= _CHUNKS_AT_ONCE:
                file.put(batch, file.ran_ns)
                batch = []
        file.put(batch, file.ran_ns)


def _readable(damaged: sqlite3.Connection) -> Iterator[SpooledChunk]:
    """Yield every chunk to deliver that can be read and is whole, from both ends of the file."""
    seen: set[int] = set()
    for newest in (False, True):
        try:
            for chunk in chunks_in(damaged, newest=newest):
                if chunk.sequence in seen:
                    return
                seen.add(chunk.sequence)
                if is_whole(chunk.payload):
                    yield chunk
        except (sqlite3.DatabaseError, TypeError, ValueError):
            continue
        return


def _told_by(
    damaged: sqlite3.Connection, sent_counters: SentCounters
) -> tuple[Count, dict[DropReason, Count]]:
    """Return what the spool was given and dropped, as it says; else all that was ever sent."""
    try:
        known = {str(name): int(value) for name, value in damaged.execute("SELECT * FROM counter")}
    except (sqlite3.DatabaseError, TypeError, ValueError):
        return _everything(sent_counters), {}

    dropped = {reason: count_among(known, f"dropped.{reason}") for reason in DROP_REASONS}
    return count_among(known, "accounted"), dropped
