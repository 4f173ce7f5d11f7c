"""The accounts close in every order of full disks, kills and cuts: what the controller has is never
declared dropped, and nothing is missing."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.spool.file import Limits
from agent.spool.spooler import Spooler
from foundation.clock import SystemClock
from messages.chunk import decode_chunk
from messages.sections.windows import WINDOWS
from tests.agent.spool.test_file import IN_MEMORY

PROBES = 10  # of a window


class Trial:
    """A spool, its engine and its controller, to all of whom harm is done."""

    def __init__(self, directory: Path, make_windows: Callable[..., object]) -> None:
        self.directory, self.make = directory, make_windows
        self.life = self.second = 0
        self.stored: dict[tuple[str, int], int] = {}
        self.full, self.read_only, self.max_bytes = False, False, 3_000
        self._open(directory / "0")

    def _open(self, where: Path) -> None:
        where.mkdir(exist_ok=True)
        self.where = where
        self.spooler = Spooler(
            where / "s", agent="a1", max_bytes=self.max_bytes, max_age_s=1e9, memory_bytes=2_000
        )
        if self.full:
            self.do(fill_disk, self.spooler)
        self.freeze(self.read_only)

    def do(self, function: Callable[..., object], *arguments: object) -> object:
        return self.spooler.call(function, *arguments).result()

    def measure(self, windows: int) -> None:
        batch = self.make(*range(1, windows + 1), start_s=1_700_000_000 + self.second)
        self.second += 1
        self.spooler.sent_counters.sent_place[0] += PROBES * windows
        self.spooler.sent_counters.add(WINDOWS, windows)
        self.spooler.add(WINDOWS, batch, 1)
        self.do(self.spooler.do_flush)

    def disk(self, full: bool) -> None:
        self.full = full
        self.do(fill_disk if full else free_disk, self.spooler)
        self.do(self.spooler.do_state)

    def freeze(self, read_only: bool) -> None:
        """Let nothing be written to the file, not even what was delivered be deleted from it."""
        self.read_only = read_only
        self.do(self.spooler._file._connection.execute, f"PRAGMA query_only = {read_only:d}")

    def fill(self) -> None:
        """Fill the disk to its last page: a few windows still fit into those that are there."""
        self.disk(True)
        self.spooler._memory_bytes = self.max_bytes = 1 << 20
        self.spooler._file.limits = Limits(self.max_bytes, 1 << 62)
        while not self.do(self.spooler.do_state).fault:
            self.measure(1)

    def deliver(self, commits: int, hears: bool) -> None:
        """Offer a round, of which so many are committed and the agent hears of it or not."""
        chunks = self.do(self.spooler.do_offer, 3, 2)
        committed, twice = [], set()
        for chunk in chunks[:commits]:
            found = decode_chunk(chunk.payload)
            key = found.boot, found.sequence
            if key in self.stored and (self.stored[key] or found.batch.rows):
                twice.add(found.sequence)  # a question is no answer to another one
            self.stored.setdefault(key, found.batch.rows)
            committed.append(found.sequence)
        if hears:
            self.do(self.spooler.do_acknowledge, committed, frozenset(twice))
            rest = [chunk.sequence for chunk in chunks[commits:]]
            self.do(self.spooler.do_withdraw, rest)

    def kill(self) -> None:
        """Go on with the files as they are at this moment; memory is gone."""
        self.life += 1
        where = self.directory / str(self.life)
        shutil.copytree(self.where, where)
        self.spooler.close()
        self._open(where)

    def check(self) -> None:
        """Whatever is still to be known, nothing is counted twice."""
        totals = self.do(self.spooler.do_state).totals
        stored = sum(self.stored.values())
        dropped = sum(one.counts.get("windows", 0) for one in totals.dropped)
        assert stored + dropped <= totals.made.get("windows", 0)
        assert dropped + stored + totals.waiting.get("windows", 0) >= totals.made.get("windows", 0)

    def end(self) -> None:
        """The disk is free and the controller there: everything is known now."""
        self.freeze(False)
        self.disk(False)
        for _ in range(200):
            if not self.do(self.spooler.do_state).chunks and not self.spooler._asked:
                break
            self.deliver(5, True)
        totals = self.do(self.spooler.do_state).totals
        dropped = {one.reason: one.counts.get("windows", 0) for one in totals.dropped}
        told = sum(self.stored.values()) + sum(dropped.values())
        assert (told, totals.waiting.get("windows", 0)) == (totals.made.get("windows", 0), 0), (
            dropped
        )
        probes = PROBES * sum(self.stored.values()) + sum(
            one.counts.get("probes", 0) for one in totals.dropped
        )
        assert probes == totals.made.get("probes", 0)


@contextlib.contextmanager
def trial_of(make_windows: Callable[..., object]):
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as directory:
        trial = Trial(Path(directory), make_windows)
        try:
            yield trial
        finally:
            trial.spooler.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("measure"), st.integers(1, 4)),
        st.tuples(st.just("disk"), st.booleans()),
        st.tuples(st.just("freeze"), st.booleans()),
        st.tuples(st.just("deliver"), st.integers(0, 5), st.booleans()),
        st.tuples(st.just("kill")),
    ),
    max_size=25,
)


@given(STEPS)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # it makes and keeps nothing
)
def test_the_accounts_close_in_every_order(make_windows, steps) -> None:
    with trial_of(make_windows) as trial:
        for name, *arguments in steps:
            getattr(trial, name)(*arguments)
            trial.check()
        trial.end()


@pytest.mark.parametrize("heard", [True, False])
def test_what_was_delivered_from_memory_is_not_cut_off_by_a_kill(make_windows, heard: bool) -> None:
    """The disk is full, the controller comes back and takes the backlog, then kill -9."""
    with trial_of(make_windows) as trial:
        trial.fill()
        for _ in range(20):
            trial.measure(2)
            trial.deliver(5, True)
        trial.measure(2)
        trial.deliver(4, heard)
        trial.kill()
        trial.end()
        totals = trial.do(trial.spooler.do_state).totals
        assert (sum(trial.stored.values()), totals.dropped) == (totals.made.get("windows", 0), ())


def test_what_cannot_be_deleted_and_is_delivered_again_is_counted_once(make_windows) -> None:
    """It was acknowledged, the disk did not let it be deleted, and kill -9 made us forget."""
    with trial_of(make_windows) as trial:
        for _ in range(3):
            trial.measure(2)
        trial.freeze(True)
        for _ in range(3):
            trial.deliver(5, True)
            trial.measure(4)  # it is in memory alone
            trial.kill()
        trial.end()
        totals = trial.do(trial.spooler.do_state).totals
        assert sum(trial.stored.values()) == 6
        assert [(one.reason, one.counts["windows"]) for one in totals.dropped] == [("cut_off", 12)]


def test_a_question_that_is_asked_again_finds_no_answer_in_itself(make_windows) -> None:
    """The controller has taken it, and kill -9 came before the agent heard of that."""
    with trial_of(make_windows) as trial:
        trial.fill()
        trial.measure(3)
        trial.deliver(0, False)
        trial.kill()
        trial.deliver(5, False)
        trial.kill()
        trial.end()
        totals = trial.do(trial.spooler.do_state).totals
        assert [one.reason for one in totals.dropped] == ["cut_off"]


def test_a_chunk_in_doubt_is_not_dropped_for_want_of_room(make_windows) -> None:
    with trial_of(make_windows) as trial:
        trial.measure(2)
        trial.deliver(1, False)  # the controller has it, and the agent never hears of it
        for _ in range(20):
            trial.measure(4)
        trial.check()
        trial.end()
        assert (trial.spooler.boot, 1) in trial.stored


def test_windows_that_only_memory_held_are_cut_off_and_asked_for_no_more(make_windows) -> None:
    with trial_of(make_windows) as trial:
        trial.fill()
        trial.measure(3)
        trial.deliver(0, False)
        trial.kill()
        trial.end()
        totals = trial.do(trial.spooler.do_state).totals
        assert [one.reason for one in totals.dropped] == ["cut_off"]
        assert totals.dropped[0].counts["windows"] >= 3
        assert 0 in trial.stored.values()  # the question


def damage(path: Path) -> None:
    """Overwrite the middle of every page but the first."""
    content = bytearray(path.read_bytes())
    for page in range(4096, len(content), 4096):
        content[page : page + 64] = b"\xa5" * 64
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("harm", ["header", "pages", "empty of sense", "pipe", "directory"])
def test_a_damaged_spool_is_set_aside_and_measuring_goes_on(make_windows, harm: str) -> None:
    with trial_of(make_windows) as trial:
        for _ in range(4):
            trial.measure(2)
        trial.deliver(2, True)
        trial.spooler.close()
        path = trial.where / "s"
        if harm == "header":
            path.write_bytes(b"not a database" * 500)
        elif harm == "pages":
            damage(path)
        elif harm == "empty of sense":
            path.write_bytes(b"")
        else:
            path.unlink()
            os.mkfifo(path) if harm == "pipe" else path.mkdir()
        trial._open(trial.where)
        aside = [each.name for each in trial.where.iterdir() if ".damaged-" in each.name]
        if harm != "empty of sense":
            assert aside
            assert trial.do(trial.spooler.do_state).set_aside == str(trial.where / min(aside))
        trial.measure(3)
        trial.end()
        stored = sum(trial.stored.values())
        totals = trial.do(trial.spooler.do_state).totals
        gone = harm in ("pipe", "directory")
        assert stored >= (5 if gone else 7)  # 4 of them before, 3 after
        assert sum(one.counts.get("windows", 0) for one in totals.dropped) == 11 - stored


def test_a_spool_that_is_damaged_while_it_is_used_is_set_aside_too(make_windows) -> None:
    with trial_of(make_windows) as trial:
        for _ in range(6):
            trial.measure(2)
        connection = trial.spooler._file._connection
        trial.do(lambda: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)"))
        trial.do(lambda: connection.execute("PRAGMA cache_size = 0"))
        damage(trial.where / "s")
        trial.measure(2)
        trial.deliver(5, True)
        trial.measure(2)
        trial.end()


def test_a_chunk_that_was_changed_on_the_disk_is_not_sent(make_windows) -> None:
    with trial_of(make_windows) as trial:
        trial.measure(2)
        trial.measure(3)
        connection = trial.spooler._file._connection

        def flip() -> None:
            (payload,) = connection.execute("SELECT payload FROM chunk").fetchone()
            changed = payload[:-1] + bytes([payload[-1] ^ 1])
            connection.execute("UPDATE chunk SET payload = ? WHERE sequence = 1", (changed,))

        trial.do(flip)
        trial.end()
        totals = trial.do(trial.spooler.do_state).totals
        assert [(one.reason, one.counts["windows"]) for one in totals.dropped] == [("damaged", 2)]
        assert list(trial.stored.values()) == [3]


def test_a_question_is_a_chunk_that_holds_nothing(make_windows) -> None:
    """So that a controller takes it by the rules that it has."""
    with trial_of(make_windows) as trial:
        trial.fill()
        trial.measure(1)
        offered = trial.do(trial.spooler.do_offer, 0, 1)[0]
        trial.kill()
        asked = trial.do(trial.spooler.do_offer, 0, 1)[0]
        one, other = decode_chunk(offered.payload), decode_chunk(asked.payload)
        assert (one.boot, one.sequence) == (other.boot, other.sequence)
        assert other.batch.rows == 0


class Jumping(SystemClock):
    """A wall clock and a running time that are moved by hand."""

    def __init__(self) -> None:
        self.wall_s, self.ran_s = 1_700_000_000, 0

    def wall_ns(self) -> int:
        return self.wall_s * 10**9

    def monotonic_ns(self) -> int:
        return self.ran_s * 10**9


@contextlib.contextmanager
def run_of(path: Path, clock: Jumping) -> Iterator[Spooler]:
    """A life of an agent that keeps its windows for a week."""
    spooler = Spooler(path / "s", agent="a1", max_bytes=1 << 20, max_age_s=604_800, clock=clock)
    try:
        yield spooler
    finally:
        spooler.close()


def measure(spooler: Spooler, make_windows, start_s: int) -> tuple[int, int]:
    """Keep one window more; return (chunks that are there, windows dropped)."""
    spooler.add(WINDOWS, make_windows(1, start_s=start_s), 1)
    spooler.call(spooler.do_flush).result()
    state = spooler.call(spooler.do_state).result()
    return state.chunks, state.dropped_windows


DAY_S = 86_400


@pytest.mark.parametrize("step_s", [DAY_S, -DAY_S, 20 * DAY_S, 400 * DAY_S, -400 * DAY_S])
def test_a_clock_that_is_wrong_in_a_run_or_from_boot_on_drops_nothing(
    tmp_path: Path, make_windows, step_s: int
) -> None:
    clock = Jumping()
    with run_of(tmp_path, clock) as spooler:
        measure(spooler, make_windows, clock.wall_s)
        clock.wall_s += step_s
        assert measure(spooler, make_windows, clock.wall_s) == (2, 0)
        clock.ran_s += 3_600  # it runs on steadily with the wrong time
        assert measure(spooler, make_windows, clock.wall_s) == (3, 0)
    clock.wall_s -= step_s
    with run_of(tmp_path, clock) as spooler:
        measure(spooler, make_windows, clock.wall_s)
    clock.wall_s += step_s  # wrong from boot on: nothing is seen of a step
    with run_of(tmp_path, clock) as spooler:
        clock.ran_s += 3_600
        assert measure(spooler, make_windows, clock.wall_s) == (5, 0)


def test_windows_that_waited_for_too_long_while_agents_ran_are_dropped_whatever_the_clock_says(
    tmp_path: Path, make_windows
) -> None:
    clock = Jumping()
    with run_of(tmp_path, clock) as spooler:
        measure(spooler, make_windows, clock.wall_s)
    clock.wall_s += 100 * DAY_S  # the machine was off
    clock.ran_s = 0
    with run_of(tmp_path, clock) as spooler:
        clock.ran_s += 4 * DAY_S
        assert measure(spooler, make_windows, clock.wall_s) == (2, 0)
    with run_of(tmp_path, clock) as spooler:
        clock.ran_s += 4 * DAY_S
        clock.wall_s -= 1_000 * DAY_S
        assert measure(spooler, make_windows, clock.wall_s) == (2, 1)


@pytest.fixture
def spooler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("agent.spool.spooler.GATHER_S", 600.0)  # until it is told to flush
    spooler = Spooler(
        tmp_path / "s", agent="a1", max_bytes=1 << 20, max_age_s=1e9, memory_bytes=3000
    )
    yield spooler
    spooler.close()


def flush(spooler: Spooler) -> None:
    spooler.call(spooler.do_flush).result()


def test_windows_of_one_interval_become_one_chunk(spooler: Spooler, make_windows) -> None:
    spooler.add(WINDOWS, make_windows(5, 3), 4)
    spooler.add(WINDOWS, make_windows(1), 4)
    flush(spooler)
    (only,) = spooler.call(spooler.do_pending, 10).result()
    whole = decode_chunk(only.payload)
    assert whole.batch.stream_id.tolist() == [1, 3, 5]
    assert (whole.agent, whole.boot, whole.sequence, whole.plan_version) == (
        "a1",
        spooler.boot,
        1,
        4,
    )


def test_stream_that_comes_twice_in_an_interval_gets_two_chunks(
    spooler: Spooler, make_windows
) -> None:
    spooler.add(WINDOWS, make_windows(1, 2), 4)
    spooler.add(WINDOWS, make_windows(2), 4)
    flush(spooler)
    chunks = spooler.call(spooler.do_pending, 10).result()
    ids = [decode_chunk(each.payload).batch.stream_id.tolist() for each in chunks]
    assert ids == [[1, 2], [2]]


def test_newest_chunk_is_offered_beside_the_oldest(spooler: Spooler, make_windows) -> None:
    for second in range(10):
        spooler.add(WINDOWS, make_windows(1, start_s=1_700_000_000 + second), 1)
    flush(spooler)
    offered = spooler.call(spooler.do_pending, 3, 1).result()
    assert [each.sequence for each in offered] == [10, 1, 2, 3]


def fill_disk(spooler: Spooler) -> None:
    """Let SQLite find no page to grow into: the same SQLITE_FULL as a full disk."""
    connection = spooler._file._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")


def free_disk(spooler: Spooler) -> None:
    spooler._file._connection.execute("PRAGMA max_page_count = 1000000")


def big(make_windows, second: int):
    return make_windows(*range(400), start_s=1_700_000_000 + second)


def test_full_disk_is_a_state_and_windows_reach_it_later(spooler: Spooler, make_windows) -> None:
    spooler.call(fill_disk, spooler).result()
    spooler._memory_bytes = 1 << 20
    for second in range(30):
        spooler.add(WINDOWS, big(make_windows, second), 1)
    flush(spooler)
    state = spooler.call(spooler.do_state).result()
    assert "full" in (state.fault or "")
    assert (state.chunks, state.dropped_windows) == (30, 0)
    offered = spooler.call(spooler.do_pending, 100).result()
    assert [each.sequence for each in offered] == list(range(1, 31))
    spooler.call(free_disk, spooler).result()
    state = spooler.call(spooler.do_state).result()
    assert (state.fault, state.in_memory, state.chunks) == (None, 0, 30)


def test_memory_is_bounded_while_the_disk_is_full(spooler: Spooler, make_windows) -> None:
    spooler.call(fill_disk, spooler).result()
    for second in range(60):
        spooler.add(WINDOWS, big(make_windows, second), 1)
    flush(spooler)
    state = spooler.call(spooler.do_state).result()
    assert state.fault
    assert state.dropped_windows > 0
    assert state.dropped_windows + 400 * state.chunks == 60 * 400
    spooler.call(free_disk, spooler).result()
    after = spooler.call(spooler.do_state).result()
    assert after.dropped_windows == state.dropped_windows


def test_chunk_acknowledged_while_the_disk_fails_is_not_sent_again(
    spooler: Spooler, make_windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    spooler.add(WINDOWS, make_windows(1), 1)
    flush(spooler)

    def fail(_sequences: list[int]) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(spooler._file, "delete", fail)
        spooler.call(spooler.do_acknowledge, [1]).result()
        assert spooler.call(spooler.do_pending, 10).result() == []
    assert spooler.call(spooler.do_state).result().chunks == 0


def test_question_nobody_waits_for_any_more_does_not_stop_the_spool(
    spooler: Spooler, make_windows
) -> None:
    release = threading.Event()
    spooler.call(release.wait)
    spooler.call(spooler.do_state).cancel()
    release.set()
    assert spooler.call(spooler.do_state).result(timeout=60).chunks == 0
