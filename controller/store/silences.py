"""Times in which nothing could be measured though the network may have been well, as they are kept.

A stream is silent while its sender's owner refuses it, or while the agent at its far end does not
answer. What is written of it is never taken back, so a report of the past knows what held then.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Side = Literal["sending", "answering"]
Action = Literal["refused", "throttled"]
MOST_OF_ONE_AGENT = 5_000  # nobody's silences push out another's


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceRecord:
    """Streams that are silent in from_ns ≤ t < to_ns (None: still), by whose agent and rule.

    `mark` is the one name of it. `side`: whether `agent` is the streams' sender or their far end.
    A stream that is throttled is slowed to `share` of what was planned.
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


class SilenceStore(Protocol):
    """The part of a store that keeps silences. Writes are answered after the commit."""

    def put(self, records: Sequence[SilenceRecord]) -> Future[None]:
        """Keep records, in the place of those of the same mark."""

    def records(self) -> list[SilenceRecord]:
        """Return all that are kept, oldest first."""
