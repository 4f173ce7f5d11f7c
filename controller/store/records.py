"""What a store keeps: one record for each kind of thing, and how many of them.

What is written of the past is never changed, only the oldest beyond a bound forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from messages.sections.windows import WINDOWS
from probes.stream import ProtocolName

MAX_DURATION_NS = 3_600_000_000_000  # of a chunk, as `messages.chunk` has it
CAMPAIGNS_KEPT = 1000
MAX_REPORTS_BYTES = 64 << 20  # compressed; a report of a thousand paths takes some 100 kB
SILENCES_KEPT = 5_000  # of one agent; nobody's silences push out another's
DUPLICATES_KEPT = 1_000  # of one agent; a copy that is started again has a new boot each time

CampaignState = Literal["scheduled", "running", "ended", "cancelled"]
Side = Literal["sending", "answering"]
Action = Literal["refused", "throttled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChunk:
    """One chunk as received, with the columns by which it is found.

    `counts` says how many results of each kind it holds; `payload` is the body exactly as the agent
    sent it.
    """

    agent: str
    boot: str
    sequence: int
    plan_version: int
    start_ns: int
    duration_ns: int
    counts: Mapping[str, int]
    received_ns: int
    payload: bytes

    @property
    def end_ns(self) -> int:
        """Where its span ends."""
        return self.start_ns + self.duration_ns

    @property
    def windows(self) -> int:
        """How many windows it holds."""
        return self.counts.get(WINDOWS.name, 0)

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing, and only asks whether its like is here."""
        return not any(self.counts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRecord:
    """A stream that was ever planned: whose it is, so that old windows stay readable."""

    stream_id: int
    agent: str
    path: str
    protocol: ProtocolName
    type_p: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRecord:
    """One version of one agent's plan; `content` is its JSON with version 0.

    `created_ns` is told by the store when it is read, not by who writes it.
    """

    agent: str
    version: int
    content: bytes
    created_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTotals:
    """What the store was given of one agent, results by kind; `None` where it holds nothing."""

    results: Mapping[str, int]
    chunks: int
    last_window_ns: int | None
    last_received_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineRecord:
    """A sealed baseline: `content` is compressed, `digest` the SHA-256 of what it holds."""

    name: str
    from_ns: int
    to_ns: int
    sealed_ns: int
    digest: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRecord:
    """A campaign from_ns ≤ t < to_ns. `request` is what was asked, as JSON.

    `begun_ns` and `ended_ns` are when its streams truly came into the plan and left it; `ended_by`
    is who cancelled it. `streams` is how many it asks for; `refused` and `throttled` how many of
    them the agents' owners curtailed when it ended. `results` (JSON) and `reported_ns` are set once
    there is a report.
    """

    id: int = 0
    name: str
    request: bytes
    from_ns: int
    to_ns: int
    created_ns: int
    created_by: str
    streams: int
    begun_ns: int | None = None
    ended_ns: int | None = None
    ended_by: str | None = None
    refused: int | None = None
    throttled: int | None = None
    reported_ns: int | None = None
    results: bytes | None = None

    @property
    def state(self) -> CampaignState:
        """Where it is in its life, by what was done, not by the clock."""
        if self.ended_ns is not None:
            return "ended" if self.ended_by is None else "cancelled"
        return "scheduled" if self.begun_ns is None else "running"

    @property
    def is_over(self) -> bool:
        """Whether nothing will be measured for it any more."""
        return self.ended_ns is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceRecord:
    """Streams that are silent in from_ns ≤ t < to_ns (None: still), by whose agent and rule.

    `mark` is the one name of it. `side`: whether `agent` is the streams' sender or their far end.
    A stream that is throttled is slowed to `share` of what was planned. What is written is never
    taken back, so a report of the past knows what held then.
    """

    mark: str
    agent: str
    side: Side
    rule: str
    action: Action = "refused"
    share: float = 0.0
    from_ns: int
    to_ns: int | None = None
    stream_ids: NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateRecord:
    """A boot of an agent that lived while another one of its name did; seen last at `seen_ns`.

    `refused`: whether it was the other that was heard. What a refused agent measured may be
    delivered days later, to another life of ours.
    """

    agent: str
    boot: str
    refused: bool
    seen_ns: int
