"""What is measured together becomes one chunk, of one kind, under the boot id of its time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.spool.spooler import Spooler
from messages.chunk import Chunk, decode_chunk
from messages.sections.windows import WINDOWS
from tests.agent.conftest import MakeWindows


@pytest.fixture
def spooler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spooler]:
    monkeypatch.setattr("agent.spool.spooler.GATHER_S", 600.0)  # until it is told to flush
    spooler = Spooler(tmp_path / "s", agent="a1", max_bytes=1 << 20, max_age_s=1e9)
    yield spooler
    spooler.close()


def chunks_of(spooler: Spooler) -> list[Chunk]:
    spooler.call(spooler.do_flush).result()
    pending = spooler.call(spooler.backlog.pending, 10).result()
    return [decode_chunk(each.payload) for each in pending]


def test_windows_of_one_interval_become_one_chunk(
    spooler: Spooler, make_windows: MakeWindows
) -> None:
    spooler.add(WINDOWS, make_windows(5, 3), 4)
    spooler.add(WINDOWS, make_windows(1), 4)
    (whole,) = chunks_of(spooler)
    assert whole.batch.stream_id.tolist() == [1, 3, 5]
    assert (whole.agent, whole.boot, whole.sequence, whole.plan_version) == (
        *("a1", spooler.boot),
        *(1, 4),
    )


def test_stream_that_comes_twice_in_an_interval_gets_two_chunks(
    spooler: Spooler, make_windows: MakeWindows
) -> None:
    spooler.add(WINDOWS, make_windows(1, 2), 4)
    spooler.add(WINDOWS, make_windows(2), 4)
    assert [each.batch.stream_id.tolist() for each in chunks_of(spooler)] == [[1, 2], [2]]


def test_windows_of_two_intervals_or_plans_are_two_chunks(
    spooler: Spooler, make_windows: MakeWindows
) -> None:
    spooler.add(WINDOWS, make_windows(1), 4)
    spooler.add(WINDOWS, make_windows(1, start_s=1_700_000_010), 4)
    spooler.add(WINDOWS, make_windows(2, start_s=1_700_000_010), 5)
    assert [each.plan_version for each in chunks_of(spooler)] == [4, 4, 5]


def test_what_comes_after_a_new_boot_id_bears_it(tmp_path: Path, make_windows: MakeWindows) -> None:
    told: list[str] = []
    spooler = Spooler(
        tmp_path / "t", agent="a1", max_bytes=1 << 20, max_age_s=1e9, on_boot=told.append
    )
    spooler.add(WINDOWS, make_windows(1), 1)
    spooler.call(spooler.do_flush).result()
    spooler.begin_boot()
    spooler.add(WINDOWS, make_windows(2), 1)
    assert [chunk.boot for chunk in chunks_of(spooler)] == told
    assert len(set(told)) == 2
    spooler.close()


def test_question_nobody_waits_for_any_more_does_not_stop_the_spool(spooler: Spooler) -> None:
    release = threading.Event()
    spooler.call(release.wait)
    spooler.call(spooler.do_state).cancel()
    release.set()
    assert spooler.call(spooler.do_state).result(timeout=60).chunks == 0


def test_a_failure_on_its_thread_is_raised_where_somebody_asked(spooler: Spooler) -> None:
    def fail() -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such"):
        spooler.call(fail).result()
    assert spooler.call(spooler.do_state).result().fault is None
