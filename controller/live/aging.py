"""How old evidence may be: what nobody has measured lately proves nothing of now.

A demand is based on the newest window that counts and sent something. Once that is older than the
demand's limit its verdict is no data, whoever asks, whether or not a round was judged since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from controller.judge.evidence import IMPOSSIBLE, Judgements
from controller.judge.judge import blank
from controller.live.states import NO_DATA_WINDOWS
from topology.model import Demand, PlannedStream

LEAST_NS = 60_000_000_000  # short windows: delivery and judging take their time all the same

Integers = NDArray[np.int64]


class AgeLimits:
    """How old the evidence of streams and of demands may be, in nanoseconds.

    By default NO_DATA_WINDOWS windows, or intervals of the stream where those are longer, and
    `least_ns` at least; a target's `max_age_s` takes the place of it.
    """

    def __init__(
        self,
        streams: Sequence[PlannedStream],
        demands: Sequence[Demand],
        window_ns: int,
        least_ns: int = LEAST_NS,
    ) -> None:
        intervals_ns = np.array([stream.interval_ms * 1e6 for stream in streams], np.float64)
        pace_ns = NO_DATA_WINDOWS * np.maximum(intervals_ns, window_ns)
        self.of_streams: Integers = np.maximum(pace_ns, least_ns).astype(np.int64)
        stated = [demand.target.max_age_s for demand in demands]
        self._stated_ns = np.array(
            [-1 if age_s is None else max(round(age_s * 1e9), 1) for age_s in stated], np.int64
        )

    def of_demands(self, row: Integers) -> Integers:
        """Return the limit of each demand, judged on stream `row` (-1: none)."""
        usual = np.append(self.of_streams, 0)[row]
        return np.where(self._stated_ns < 0, usual, self._stated_ns)

    @staticmethod
    def expiry_ns(newest_ns: Integers, limit_ns: Integers) -> Integers:
        """Return until when evidence that ends at `newest_ns` holds; for ever where there is none,
        since then there is no verdict that could expire."""
        return np.where(newest_ns > 0, newest_ns + limit_ns, np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True)
class Newest:
    """Where the newest windows end, int64[n]: as they say it, and as it is believed.

    A window that ends in the future is as old as its coming, or the clock of an agent that died
    would keep it fresh; and as the moment at which our own clock was set back before it.
    """

    claimed_ns: Integers
    believed_ns: Integers

    @staticmethod
    def of_none(count: int) -> Newest:
        """Return that nothing was seen of `count` streams or demands."""
        return Newest(np.zeros(count, np.int64), np.zeros(count, np.int64))

    def seen(self, claimed_ns: Integers, now_ns: int) -> Newest:
        """Return what is believed of what the windows say now."""
        same = claimed_ns == self.claimed_ns
        believed_ns = np.where(same, self.believed_ns, claimed_ns)
        return Newest(claimed_ns, np.minimum(believed_ns, now_ns))


def without_stale(judgements: Judgements, stale: NDArray[np.bool_]) -> Judgements:
    """Return the judgements with no data for demands that are `stale`, bool[m].

    Impossible ones stay: they are based on no measurement.
    """
    gone, nothing = stale & (judgements.verdict != IMPOSSIBLE), blank(len(stale))
    columns = {
        field.name: np.where(gone, getattr(nothing, field.name), getattr(judgements, field.name))
        for field in fields(Judgements)
    }
    return replace(judgements, **columns)
