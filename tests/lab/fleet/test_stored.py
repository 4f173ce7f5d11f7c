"""Gaps between stored windows: missing where something was sent, nothing where nothing was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lab.fleet.stored import Continuity, StoredWindows, continuity_of

S = 1_000_000_000


def windows(*rows: tuple[int, int, int]) -> StoredWindows:
    """Return windows of one second of (stream, second, probes sent)."""
    stream, second, sent = np.array(rows, np.int64).T
    return StoredWindows(
        stream_id=stream.astype(np.uint64),
        start_ns=second * S,
        duration_ns=np.full(len(rows), S),
        sent=sent,
        received_ns=second * S,
        rtt_p50_ns=np.full(len(rows), np.nan),
        suspect=np.zeros(len(rows), np.bool_),
    )


@pytest.mark.parametrize(("seen", "missing"), [(15, 0), (20, 1), (16, 1)])
def test_a_gap_is_a_missing_window_only_where_more_was_sent_than_the_windows_tell(
    seen: int, missing: int
) -> None:
    stored = windows((1, 0, 5), (1, 1, 5), (1, 3, 5), (2, 0, 5), (2, 1, 5))
    found = continuity_of(stored, [([1], seen), ([2], 10)])
    assert found == Continuity(streams=2, windows=5, missing=missing, twice=0, starved=0, probes=25)


def test_streams_of_one_path_and_protocol_are_weighed_together() -> None:
    stored = windows((1, 0, 5), (1, 2, 5), (2, 0, 5), (2, 1, 5), (2, 2, 5))
    assert continuity_of(stored, [([1, 2], 25)]).missing == 0
    assert continuity_of(stored, [([1, 2], 30)]).missing == 1


def test_a_window_stored_again_is_there_twice_and_a_stream_without_any_is_none() -> None:
    stored = windows((1, 0, 5), (1, 0, 5), (1, 1, 5))
    found = continuity_of(stored, [([1], 15), ([7], 0)])
    assert (found.streams, found.missing, found.twice) == (1, 0, 1)


def test_a_verdict_rests_on_windows_of_a_machine_that_ran_if_there_are_any() -> None:
    stored = windows((1, 3, 5), (1, 0, 5), (1, 1, 5))
    starved = replace(stored, suspect=np.array([False, True, False]))
    assert starved.counted().start_ns.tolist() == [3 * S, 1 * S]
    assert continuity_of(starved, []).starved == 1
    assert replace(stored, suspect=np.ones(3, np.bool_)).counted().start_ns.size == 3


def test_windows_hold_what_was_sent_from_their_start_to_before_their_end() -> None:
    stored = windows((1, 3, 5), (1, 0, 5))
    times_ns = np.array([-1, 0, S - 1, S, 3 * S - 1, 3 * S, 4 * S])
    assert stored.hold(times_ns).tolist() == [False, True, True, False, False, True, False]
