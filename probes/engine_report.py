"""What the engine tells about itself and about single probes."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from probes.exchange import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleBatch:
    """n probes that met their fate. `fate` indexes FATES, `stamping` window.STAMPING, `answer`
    channel.ANSWERS. `sent_ns` is wall time; delays are NaN where there is none. `cause` is the
    errno that tells why no answer came (the system's own, or an ICMP error's), 0 where unknown."""

    stream_id: NDArray[np.uint64]
    flow: NDArray[np.uint16]
    sequence: NDArray[np.uint64]
    sent_ns: NDArray[np.int64]
    rtt_ns: NDArray[np.float64]
    forward_ns: NDArray[np.float64]
    backward_ns: NDArray[np.float64]
    fate: NDArray[np.uint8]
    stamping: NDArray[np.uint8]
    answer: NDArray[np.uint8]
    cause: NDArray[np.int32]

    @property
    def rows(self) -> int:
        """How many probes."""
        return len(self.stream_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineHealth:
    """How an engine is.

    `stamping` is the method really delivered for the delays so far. `strays` are answers that fit
    no probe of ours, `overflowed` packets lost because a receive buffer was full, `skipped` probes
    not sent because the engine was late by whole intervals. `local_drops` counts probes that never
    left this host by the name of the system's reason, `refusals` those an ICMP error was about.
    """

    streams: int
    stamping: str
    calibration_ns: int | None
    probes_sent: int
    probes_received: int
    strays: int
    overflowed: int
    skipped: int
    clock_steps: int
    lateness_max_ns: float
    local_drops: Mapping[str, int] = field(default_factory=dict)
    refusals: Mapping[str, int] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()


def drop_names(drops: Mapping[int, int]) -> dict[str, int]:
    """Name the system's reasons: 101 -> ENETUNREACH."""
    return {errno.errorcode.get(number, str(number)): count for number, count in drops.items()}
