"""What the engine tells about itself and about single probes."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foundation.text import Text
from probes.causes import Causes
from probes.channels.discarded import DISCARDED
from probes.stream import StreamSpec
from probes.window import TIMESTAMPING


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleBatch:
    """n probes whose outcome is known. `outcome` indexes OUTCOMES, `timestamping`
    window.TIMESTAMPING, `answer` channel.ANSWERS. `sent_ns` is wall time; delays are NaN where
    there is none. `cause` tells why no answer came (probes.causes) or counts (a negative number,
    probes.channels.discarded), 0 where unknown. `tos`: DSCP and ECN as it left, at the far end, and
    of the answer; -1 unknown. `hops_forward`: routers on the way there, NaN unknown; `ttl` of the
    answer, 0 unknown.
    """

    stream_id: NDArray[np.uint64]
    flow: NDArray[np.uint16]
    sequence: NDArray[np.uint64]
    sent_ns: NDArray[np.int64]
    rtt_ns: NDArray[np.float64]
    forward_ns: NDArray[np.float64]
    backward_ns: NDArray[np.float64]
    outcome: NDArray[np.uint8]
    timestamping: NDArray[np.uint8]
    answer: NDArray[np.uint8]
    cause: NDArray[np.int32]
    tos: NDArray[np.uint8]
    tos_forward: NDArray[np.int16]
    tos_backward: NDArray[np.int16]
    hops_forward: NDArray[np.float16]
    ttl: NDArray[np.uint8]

    @property
    def rows(self) -> int:
        """How many probes."""
        return len(self.stream_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineHealth:
    """How an engine is.

    `timestamping` is the method really delivered for the delays so far. `spurious` are answers that
    fit no probe of ours, `overflowed` packets dropped because a receive buffer was full, `unread`
    the probes whose answers were probably among them, `skipped` probes not sent because the engine
    was late by whole intervals, `late_moments` how often it was. `local_drops` counts probes that
    never left this host by the name of the system's reason, `icmp_errors` those an ICMP error was
    about, `discarded` answers that were of no use, by DISCARDED.
    `refused`: why streams do not run.
    """

    streams: int
    timestamping: str
    calibration_ns: int | None
    probes_sent: int
    probes_received: int
    spurious: int
    overflowed: int
    skipped: int
    clock_steps: int
    send_lag_max_ns: float
    late_moments: int = 0
    local_drops: Mapping[str, int] = field(default_factory=dict)
    icmp_errors: Mapping[str, int] = field(default_factory=dict)
    unread: int = 0
    discarded: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[StreamSpec, Text] = field(default_factory=dict)


@dataclass(slots=True)
class Tally:
    """What an engine counts while it runs. `drops` and `icmp_errors` are counted by errno, answers
    `discarded` by reason.

    Probes sent are counted at `place`, int64[1], which others may keep (a file mapped into memory,
    so that the count survives the process) and which continues from where it stands.
    """

    place: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    before: int = field(init=False)
    received: int = 0
    spurious: int = 0
    unread: int = 0
    send_lag_max_ns: float = 0.0
    timestamping: int = 0  # of the latest delay
    drops: Counter[int] = field(default_factory=Counter)
    icmp_errors: Counter[int] = field(default_factory=Counter)
    causes: Causes = field(default_factory=Causes)
    discarded: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.before = int(self.place[0])

    @property
    def sent(self) -> int:
        """Probes of this engine that left."""
        return int(self.place[0]) - self.before

    @sent.setter
    def sent(self, count: int) -> None:
        self.place[0] = self.before + count

    def health(
        self,
        *,
        streams: int,
        calibration_ns: int | None,
        overflowed: int,
        skipped: int,
        late_moments: int,
        clock_steps: int,
        refused: Mapping[StreamSpec, Text],
    ) -> EngineHealth:
        """Return how the engine is, with what others know of it."""
        return EngineHealth(
            streams=streams,
            timestamping=TIMESTAMPING[self.timestamping],
            calibration_ns=calibration_ns,
            probes_sent=self.sent,
            probes_received=self.received,
            spurious=self.spurious,
            overflowed=overflowed,
            skipped=skipped,
            late_moments=late_moments,
            clock_steps=clock_steps,
            send_lag_max_ns=self.send_lag_max_ns,
            local_drops=_by_name(self.drops),
            icmp_errors=_by_name(self.icmp_errors),
            unread=self.unread,
            discarded={DISCARDED[n]: count for n, count in tuple(self.discarded.items()) if count},
            refused=refused,
        )


def _by_name(causes: Counter[int]) -> dict[str, int]:
    """Name the system's reasons: 101 -> ENETUNREACH."""
    return {
        errno.errorcode.get(number, str(number)): count for number, count in tuple(causes.items())
    }
