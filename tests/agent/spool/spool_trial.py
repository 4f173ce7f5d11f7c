"""A spool with its engine, its disk and its controller, to all of whom harm is done."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from agent.spool.database import open_spool
from agent.spool.spooler import Spooler
from messages.chunk import decode_chunk
from messages.exchange import Totals
from messages.sections.windows import WINDOWS
from tests.agent.conftest import MakeWindows
from tests.agent.spool.test_file import IN_MEMORY

PROBES = 10  # of a window
Result = TypeVar("Result")


class Disk:
    """Opens spools, and fails as disks do. Called on the spool's thread."""

    connection: sqlite3.Connection

    def connect(self, path: Path) -> sqlite3.Connection:
        self.connection = open_spool(path)
        return self.connection

    def fill(self) -> None:
        """Let SQLite find no page to grow into: the same SQLITE_FULL as a full disk."""
        pages = self.connection.execute("PRAGMA page_count").fetchone()[0]
        self.connection.execute(f"PRAGMA max_page_count = {pages}")

    def free(self) -> None:
        self.connection.execute("PRAGMA max_page_count = 1000000")

    def freeze(self, read_only: bool) -> None:
        """Let nothing be written, not even what was delivered be deleted."""
        self.connection.execute(f"PRAGMA query_only = {read_only:d}")

    def forget(self) -> None:
        """Let everything be read from the file again."""
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.connection.execute("PRAGMA cache_size = 0")


class Trial:
    """The lives of one spool; `stored` has the windows of each chunk that the controller took."""

    def __init__(self, directory: Path, make_windows: MakeWindows, memory_bytes: int) -> None:
        self.directory, self.make, self.memory_bytes = directory, make_windows, memory_bytes
        self.life = self.second = 0
        self.stored: dict[tuple[str, int], int] = {}
        self.full, self.read_only, self.max_bytes = False, False, 3_000
        self.open(directory / "0")

    def open(self, where: Path) -> None:
        where.mkdir(exist_ok=True)
        self.where, self.on_disk = where, Disk()
        self.spooler = Spooler(
            where / "s",
            agent="a1",
            max_bytes=self.max_bytes,
            max_age_s=1e9,
            memory_bytes=self.memory_bytes,
            connect=self.on_disk.connect,
        )
        if self.full:
            self.do(self.on_disk.fill)
        self.freeze(self.read_only)

    def do(self, function: Callable[..., Result], *arguments: object) -> Result:
        return self.spooler.call(function, *arguments).result()

    @property
    def totals(self) -> Totals:
        return self.do(self.spooler.do_state).totals

    def dropped(self) -> dict[str, int]:
        """Return the windows that were given up, by reason."""
        return {one.reason: one.counts.get("windows", 0) for one in self.totals.dropped}

    def measure(self, windows: int) -> None:
        batch = self.make(*range(1, windows + 1), start_s=1_700_000_000 + self.second)
        self.second += 1
        self.spooler.sent_counters.sent_place[0] += PROBES * windows
        self.spooler.sent_counters.add(WINDOWS, windows)
        self.spooler.add(WINDOWS, batch, 1)
        self.do(self.spooler.do_flush)

    def disk(self, full: bool) -> None:
        self.full = full
        self.do(self.on_disk.fill if full else self.on_disk.free)
        self.do(self.spooler.do_state)

    def freeze(self, read_only: bool) -> None:
        self.read_only = read_only
        self.do(self.on_disk.freeze, read_only)

    def fill(self) -> None:
        """Fill the disk to its last page: a few windows still fit into those that are there."""
        self.disk(True)
        self.max_bytes = 1 << 20
        self.do(self.spooler.do_limit, self.max_bytes, 1e9)
        while not self.do(self.spooler.do_state).fault:
            self.measure(1)

    def deliver(self, commits: int, hears: bool) -> None:
        """Offer a round, of which so many are committed and the agent hears of it or not."""
        chunks = self.do(self.spooler.offers.offer, 3, 2)
        committed, twice = [], set()
        for chunk in chunks[:commits]:
            found = decode_chunk(chunk.payload)
            key = found.boot, found.sequence
            if key in self.stored and (self.stored[key] or found.batch.rows):
                twice.add(found.sequence)  # a question is no answer to another one
            self.stored.setdefault(key, found.batch.rows)
            committed.append(found.sequence)
        if hears:
            self.do(self.spooler.offers.acknowledge, committed, frozenset(twice))
            rest = [chunk.sequence for chunk in chunks[commits:]]
            self.do(self.spooler.offers.withdraw, rest)

    def kill(self) -> None:
        """Go on with the files as they are at this moment; memory is gone."""
        self.life += 1
        where = self.directory / str(self.life)
        shutil.copytree(self.where, where)
        self.spooler.close()
        self.open(where)

    def check(self) -> None:
        """Whatever is still to be known, nothing is counted twice."""
        totals, made = self.totals, self.totals.made.get("windows", 0)
        known = sum(self.stored.values()) + sum(self.dropped().values())
        assert known <= made <= known + totals.waiting.get("windows", 0)

    def end(self) -> None:
        """The disk is free and the controller there: everything is known now."""
        self.freeze(False)
        self.disk(False)
        for _ in range(200):
            if not self.totals.waiting and not self.do(self.spooler.do_state).chunks:
                break
            self.deliver(5, True)
        totals, dropped = self.totals, self.dropped()
        assert totals.waiting.get("windows", 0) == 0
        told = sum(self.stored.values()) + sum(dropped.values())
        assert told == totals.made.get("windows", 0), dropped
        probes = PROBES * sum(self.stored.values()) + sum(
            one.counts.get("probes", 0) for one in totals.dropped
        )
        assert probes == totals.made.get("probes", 0)


@contextlib.contextmanager
def trial_of(make_windows: MakeWindows, memory_bytes: int = 2_000) -> Iterator[Trial]:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as directory:
        trial = Trial(Path(directory), make_windows, memory_bytes)
        try:
            yield trial
        finally:
            trial.spooler.close()
