"""Chunks wait on the disk, or in memory within a bound while the disk fails; none for too long."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.spool.spooler import Spooler
from foundation.clock import SystemClock
from messages.sections.windows import WINDOWS
from probes.window import WindowBatch
from tests.agent.conftest import MakeWindows
from tests.agent.spool.spool_trial import Disk, trial_of

DAY_S = 86_400


@contextlib.contextmanager
def spooler_on(disk: Disk, tmp_path: Path, memory_bytes: int) -> Iterator[Spooler]:
    spooler = Spooler(
        tmp_path / "s",
        agent="a1",
        max_bytes=1 << 20,
        max_age_s=1e9,
        memory_bytes=memory_bytes,
        connect=disk.connect,
    )
    yield spooler
    spooler.close()


def big(make_windows: MakeWindows, second: int) -> WindowBatch:
    return make_windows(*range(400), start_s=1_700_000_000 + second)


def spool(spooler: Spooler, make_windows: MakeWindows, chunks: int) -> None:
    for second in range(chunks):
        spooler.add(WINDOWS, big(make_windows, second), 1)
        spooler.call(spooler.do_flush).result()


def test_newest_chunk_is_offered_beside_the_oldest(
    tmp_path: Path, make_windows: MakeWindows
) -> None:
    with spooler_on(Disk(), tmp_path, 3_000) as spooler:
        spool(spooler, make_windows, 10)
        offered = spooler.call(spooler.backlog.pending, 3, 1).result()
        assert [each.sequence for each in offered] == [10, 1, 2, 3]


def test_full_disk_is_a_state_and_windows_reach_it_later(
    tmp_path: Path, make_windows: MakeWindows
) -> None:
    disk = Disk()
    with spooler_on(disk, tmp_path, 1 << 20) as spooler:
        spooler.call(disk.fill).result()
        spool(spooler, make_windows, 30)
        state = spooler.call(spooler.do_state).result()
        assert "full" in (state.fault or "")
        assert (state.chunks, state.dropped_windows) == (30, 0)
        offered = spooler.call(spooler.backlog.pending, 100).result()
        assert [each.sequence for each in offered] == list(range(1, 31))
        spooler.call(disk.free).result()
        state = spooler.call(spooler.do_state).result()
        assert (state.fault, state.in_memory, state.chunks) == (None, 0, 30)


def test_memory_is_bounded_while_the_disk_is_full(
    tmp_path: Path, make_windows: MakeWindows
) -> None:
    disk = Disk()
    with spooler_on(disk, tmp_path, 3_000) as spooler:
        spooler.call(disk.fill).result()
        spool(spooler, make_windows, 60)
        state = spooler.call(spooler.do_state).result()
        assert state.fault
        assert state.dropped_windows > 0
        assert state.dropped_windows + 400 * state.chunks == 60 * 400
        spooler.call(disk.free).result()
        after = spooler.call(spooler.do_state).result()
        assert after.dropped_windows == state.dropped_windows


def test_a_chunk_that_was_changed_on_the_disk_is_not_sent(make_windows: MakeWindows) -> None:
    with trial_of(make_windows) as trial:
        trial.measure(2)
        trial.measure(3)
        connection = trial.on_disk.connection

        def flip() -> None:
            (payload,) = connection.execute("SELECT payload FROM chunk").fetchone()
            changed = payload[:-1] + bytes([payload[-1] ^ 1])
            connection.execute("UPDATE chunk SET payload = ? WHERE sequence = 1", (changed,))

        trial.do(flip)
        trial.end()
        assert trial.dropped() == {"damaged": 2}
        assert list(trial.stored.values()) == [3]


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


def measure(spooler: Spooler, make_windows: MakeWindows, start_s: int) -> tuple[int, int]:
    """Keep one window more; return (chunks that are there, windows dropped)."""
    spooler.add(WINDOWS, make_windows(1, start_s=start_s), 1)
    spooler.call(spooler.do_flush).result()
    state = spooler.call(spooler.do_state).result()
    return state.chunks, state.dropped_windows


@pytest.mark.parametrize("step_s", [DAY_S, -DAY_S, 20 * DAY_S, 400 * DAY_S, -400 * DAY_S])
def test_a_clock_that_is_wrong_in_a_run_or_from_boot_on_drops_nothing(
    tmp_path: Path, make_windows: MakeWindows, step_s: int
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
    tmp_path: Path, make_windows: MakeWindows
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
