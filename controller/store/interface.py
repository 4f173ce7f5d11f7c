"""What the controller asks of a store: one small interface for each kind of thing that is kept.

Windows are kept as the chunks that agents sent (one agent × one interval, columns, compressed),
known by (agent, boot, sequence). The rest is rows of metadata. Writes are asked for from any
thread and answered by a Future that completes after the commit; reads block under a time limit.
`Store` puts the interfaces together; `controller.store.engines` opens one. The conformance suite
that every engine must pass is in tests/controller/store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from controller.store.event_log import EventLog
from controller.store.records import (
    AgentTotals,
    BaselineRecord,
    CampaignRecord,
    DuplicateRecord,
    PlanRecord,
    SilenceRecord,
    StoredChunk,
    StreamRecord,
)
from controller.store.rollup_blocks import Block
from controller.store.series import Series
from foundation.errors import IsochroneError, ResourceError
from foundation.text import Text
from messages.sections.windows import WINDOWS


class StoreFullError(ResourceError):
    """There is no space left; nothing was stored, and it may be asked again later."""


class StoreBusyError(ResourceError):
    """The queue of writes is too long; the caller should come back."""


class DamagedStoreError(ResourceError):
    """What a store holds cannot be read any more."""


class StoreTimeoutError(ResourceError):
    """A read took longer than its time limit."""


class OtherBootError(IsochroneError):
    """Another boot of the agent measured that time, and its windows are stored."""


def other_boot(agent: str) -> OtherBootError:
    """Return the refusal of windows of a time that another boot of the agent measured."""
    return OtherBootError(
        f"Another agent named {agent} measured at that time, and its windows are stored; these "
        f"come from a copy of the machine or of its state directory.",
        f"另一个名为 {agent} 的探针在该时段进行了测量，其数据已存储；"
        "本数据来自克隆的机器或其状态目录。",
        agent=agent,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreState:
    """How the store is. `reason` says what is wrong where the state is not ok."""

    engine: str
    state: Literal["ok", "full", "failing"]
    reason: Text | None
    queued_writes: int
    size_bytes: int | None
    free_bytes: int | None


class WindowStore(Protocol):
    """A place where windows survive: what grows."""

    def put_chunk(self, chunk: StoredChunk, *, alone: bool = False) -> Future[bool]:
        """Store a chunk once: True if it is new, False if the store already had it.

        Raises StoreBusyError at once when too much is queued; the future raises StoreFullError, and
        OtherBootError where the chunk must stand `alone` and results of its agent, of another boot
        and of that time, exist already.
        """

    def counts_of(self, agent: str, boot: str, sequence: int) -> Mapping[str, int] | None:
        """Return how many results of each kind the chunk of that name holds, None without one."""

    def agent_totals(self) -> dict[str, AgentTotals]:
        """Return what is held of each agent."""

    def chunks_of(
        self, agent: str, from_ns: int, to_ns: int, limit: int, *, kind: str = WINDOWS.name
    ) -> tuple[list[StoredChunk], int | None]:
        """Return chunks of one agent with results of a kind, from_ns ≤ start_ns < to_ns, oldest
        first.

        At most about `limit`, but always all of one `start_ns` together; the second value is the
        `from_ns` at which to continue, None at the end.
        """

    def chunks_since(self, from_ns: int) -> Iterator[StoredChunk]:
        """Yield every chunk with start_ns ≥ from_ns, oldest first; of one instant as stored.

        Takes as long as there are such chunks, however many older ones are held.
        """

    def oldest_ns(self) -> int | None:
        """Return where the oldest window that is held begins; None where there is none."""


class SeriesStore(Protocol):
    """Figures over time, out of windows and what was merged of them."""

    def read(
        self,
        streams: Sequence[StreamRecord],
        from_ns: int,
        to_ns: int,
        *,
        step_ns: int | None = None,
        max_points: int | None = None,
    ) -> Series:
        """Return what streams did with from_ns ≤ start_ns < to_ns, at the level that fits.

        The level is `series.level_for`'s, or the next coarser one that still holds the beginning.
        """

    def hours_of(self, agent: str, from_ns: int, to_ns: int) -> Iterator[tuple[int, Block]]:
        """Yield (start_ns, block) of an agent's hours in [from_ns, to_ns), oldest first.

        Only of those that are merged and hold all that is stored of them; others are missing.
        """


class RollupStore(Protocol):
    """The work between deliveries: merging what is due, forgetting what is too old."""

    def roll_up(self, now_ns: int, limit: int) -> int:
        """Merge about `limit` intervals that are due at `now_ns`; return how many. Blocks."""

    def pending(self) -> int:
        """Return how many intervals wait to be merged, due or not."""

    def expire(self, now_ns: int) -> int:
        """Forget some of what is kept too long at `now_ns`; 0 when there is no more. Blocks."""


class StreamStore(Protocol):
    """The streams that were ever planned."""

    def put(self, streams: Sequence[StreamRecord]) -> Future[None]:
        """Remember streams; those already known are left as they are."""

    def all(self) -> list[StreamRecord]:
        """Return every stream ever planned."""


class PlanStore(Protocol):
    """The versions of agents' plans."""

    def put(self, plans: Sequence[PlanRecord], created_ns: int) -> Future[None]:
        """Add versions of agents' plans to their history; of each the newest 1,000 are kept."""

    def latest(self) -> dict[str, PlanRecord]:
        """Return the newest plan of every agent; `content` is empty where it is damaged."""

    def history(self, agent: str, before: int, limit: int) -> list[PlanRecord]:
        """Return an agent's plans with versions below `before`, newest first."""


class SiteStore(Protocol):
    """The copy of the site file's sites that is kept for inspection."""

    def put(self, sites: Sequence[tuple[str, bytes]], now_ns: int) -> Future[None]:
        """Replace the copy of the site file's sites that is kept for inspection."""


class BaselineStore(Protocol):
    """The sealed baselines."""

    def put(self, baseline: BaselineRecord) -> Future[bool]:
        """Keep a sealed baseline: True if it is new, False if there is one of that name already."""

    def all(self) -> list[BaselineRecord]:
        """Return every sealed baseline, oldest first."""


class CampaignStore(Protocol):
    """What was asked, what became of it, and the report it ended in.

    A name means one campaign for ever; the oldest that are over go first.
    """

    def put(self, record: CampaignRecord) -> Future[int]:
        """Keep a campaign; its id, 0 if there is or was one of that name."""

    def change(self, record: CampaignRecord) -> Future[None]:
        """Keep what became of a campaign: all but its name, what was asked and by whom."""

    def put_report(self, number: int, page: bytes) -> Future[None]:
        """Keep the (compressed) report of a campaign, in place of an earlier one."""

    def records(self) -> list[CampaignRecord]:
        """Return every campaign that is kept, oldest first."""

    def report(self, number: int) -> bytes | None:
        """Return the report of a campaign as it was put, None if there is none any more."""


class SilenceStore(Protocol):
    """Times in which streams were silent by an owner's or an agent's doing."""

    def put(self, records: Sequence[SilenceRecord]) -> Future[None]:
        """Keep records, in the place of those of the same mark."""

    def records(self) -> list[SilenceRecord]:
        """Return all that are kept, oldest first."""


class DuplicateStore(Protocol):
    """Lives of agents that had another of the same name beside them."""

    def put(self, records: Sequence[DuplicateRecord]) -> Future[None]:
        """Keep records, in the place of those of the same agent and boot."""

    def records(self) -> list[DuplicateRecord]:
        """Return all that are kept, by when they were seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A place where windows and metadata survive, one part for each kind of thing.

    state: how the store is. reporting_damage: inside it, whatever shows that what was read is not
    what was written is raised as DamagedStoreError. close: finish the queued writes and let go of
    the files.
    """

    windows: WindowStore
    series: SeriesStore
    rollups: RollupStore
    streams: StreamStore
    plans: PlanStore
    sites: SiteStore
    baselines: BaselineStore
    event_log: EventLog
    campaigns: CampaignStore
    silences: SilenceStore
    duplicates: DuplicateStore
    state: Callable[[], StoreState]
    reporting_damage: Callable[[], AbstractContextManager[None]]
    close: Callable[[], None]
