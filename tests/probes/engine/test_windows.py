"""When a window is doubtful: the machine that measured it stood still for too much of it."""

import dataclasses

import numpy as np
import pytest

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
