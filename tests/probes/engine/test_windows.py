"""When a window is doubtful: the machine that measured it stood still for too much of it."""

import dataclasses

import numpy as np
import pytest
from hand_clock import HOUR, SECOND, HandClock
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.accumulate import RECEIVED, Finished
from probes.engine.windows import OpenWindows
from probes.window import WindowBatch

MS, S = 1_000_000, 1_000_000_000


def one_probe(window: int) -> Finished:
    columns = {
        field.name: np.zeros(1, str(field.type).split("np.")[-1].rstrip("]_").replace("bool", "?"))
        for field in dataclasses.fields(Finished)
    }
    columns["window"][:] = window
    columns["outcome"][:] = RECEIVED
    return Finished(**columns)


@pytest.mark.parametrize(
    ("stalls_ms", "suspect"), [([], False), ([400], False), ([150, 150, 150, 200], True)]
)
def test_a_window_is_suspect_when_its_engine_stood_still_for_a_tenth(
    stalls_ms: list[int], suspect: bool
) -> None:
    closed: list[WindowBatch] = []
    windows = OpenWindows(5 * S, 0, closed.append)
    windows.sent(0, 1)
    for stall_ms in stalls_ms:
        windows.stalled(4 * S, stall_ms * MS)
    windows.finish(one_probe(0))
    windows.close_ready(6 * S, np.array([7], np.uint64))
    assert closed[0].suspect.tolist() == [suspect]


def test_a_step_of_the_clock_makes_every_open_window_suspect() -> None:
    closed: list[WindowBatch] = []
    windows = OpenWindows(5 * S, 0, closed.append)
    windows.sent(0, 1)
    windows.mark_suspect(6 * S)
    windows.finish(one_probe(0))
    windows.finish(one_probe(1))
    windows.close_all(np.array([7], np.uint64))
    assert [batch.suspect.tolist() for batch in closed] == [[True], [True]]


STEPS = st.lists(
    st.tuples(
        st.integers(1, 30 * SECOND), st.sampled_from([0, 0, 0, 1, SECOND, 7 * SECOND, 2 * HOUR])
    ),
    min_size=1,
    max_size=30,
)


@given(STEPS, st.booleans())
def test_a_probe_is_in_one_window_that_began_when_the_clock_said(
    course: list[tuple[int, int]], backwards: bool
) -> None:
    closed: list[WindowBatch] = []
    clock = HandClock()
    windows = OpenWindows(10 * SECOND, clock.offset_ns, closed.append)
    seen_ns: dict[int, list[int]] = {}  # by window: what the wall clock showed in it
    for passed_ns, step_ns in course:
        clock.now_ns += passed_ns
        if step_ns:
            clock.offset_ns += -step_ns if backwards else step_ns
            windows.anchor(clock.now_ns, clock.offset_ns)
        number = windows.number_at(clock.now_ns)
        windows.sent(number, 1)
        windows.finish(one_probe(number))
        seen_ns.setdefault(number, []).append(clock.wall_ns())
    assert list(seen_ns) == sorted(seen_ns)
    windows.close_all(np.array([7], np.uint64))
    for batch, moments_ns in zip(closed, seen_ns.values(), strict=True):
        assert batch.start_ns % (10 * SECOND) == 0
        assert batch.start_ns <= min(moments_ns)
        assert max(moments_ns) < batch.start_ns + 10 * SECOND
        assert batch.counters["sent"].tolist() == [len(moments_ns)]


def test_a_window_goes_on_while_the_clock_still_shows_its_interval() -> None:
    closed: list[WindowBatch] = []
    windows = OpenWindows(10 * SECOND, 0, closed.append)
    windows.sent(windows.number_at(3 * SECOND), 1)
    windows.anchor(4 * SECOND, 5 * SECOND)  # it is the second 9 of the same ten
    assert windows.number_at(4 * SECOND) == 0
    assert windows.number_at(5 * SECOND) == 1
    windows.finish(one_probe(0))
    windows.close_all(np.array([7], np.uint64))
    assert [batch.ended_ns for batch in closed] == [5 * SECOND]
