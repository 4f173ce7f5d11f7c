"""What the controller asks of a store. SQLite is the engine that comes with it.

Windows are kept as the chunks that agents sent (one agent × one interval, columns, compressed),
known by (agent, boot, sequence). The rest is rows of metadata. Writes are asked for from any
thread and answered by a Future that completes after the commit; reads block under a time limit.
tests/controller/test_store.py is the conformance suite that every engine must pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, Protocol

from probes.errors import ResourceError
from probes.stream import ProtocolName
from probes.text import Text


class StoreFullError(ResourceError):
    """There is no space left; nothing was stored, and it may be asked again later."""


class StoreBusyError(ResourceError):
    """The queue of writes is too long; the caller should come back."""


class StoreTimeoutError(ResourceError):
    """A read took longer than its time limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChunk:
    """One chunk as received, with the columns by which it is found.

    `rows` is how many windows it holds; `payload` is the body exactly as the agent sent it.
    """

    agent: str
    boot: str
    sequence: int
    plan_version: int
    start_ns: int
    duration_ns: int
    rows: int
    received_ns: int
    payload: bytes


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
    """One version of one agent's plan; `content` is its JSON with version 0."""

    agent: str
    version: int
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTotals:
    """What the store holds of one agent; `None` where it holds nothing."""

    windows: int
    chunks: int
    last_window_ns: int | None
    last_received_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictState:
    """The latest verdict of one demand and since when it stands."""

    target: str
    path: str
    verdict: str
    since_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictChange:
    """A demand's verdict became another one. `id` is 0 until it is stored; ids grow with time."""

    id: int = 0
    at_ns: int
    target: str
    path: str
    verdict: str
    previous: str | None
    previous_since_ns: int | None


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
class StoreState:
    """How the store is. `reason` says what is wrong where the state is not ok."""

    engine: str
    state: Literal["ok", "full", "failing"]
    reason: Text | None
    queued_writes: int
    size_bytes: int | None
    free_bytes: int | None


class Store(Protocol):
    """A place where chunks and metadata survive."""

    def close(self) -> None:
        """Finish the queued writes and let go of the files."""

    def put_chunk(self, chunk: StoredChunk) -> Future[bool]:
        """Store a chunk once: True if it is new, False if the store already had it.

        Raises StoreBusyError at once when too much is queued; the future raises StoreFullError.
        """

    def put_plans(self, plans: Sequence[PlanRecord], created_ns: int) -> Future[None]:
        """Add versions of agents' plans to their history."""

    def put_streams(self, streams: Sequence[StreamRecord]) -> Future[None]:
        """Remember streams; those already known are left as they are."""

    def put_sites(self, sites: Sequence[tuple[str, bytes]], now_ns: int) -> Future[None]:
        """Replace the copy of the site file's sites that is kept for inspection."""

    def put_verdict_states(self, states: Sequence[VerdictState]) -> Future[None]:
        """Remember the verdicts that changed."""

    def put_verdict_changes(self, changes: Sequence[VerdictChange]) -> Future[None]:
        """Add to the log of changed verdicts; the oldest beyond a bound are forgotten."""

    def put_baseline(self, baseline: BaselineRecord) -> Future[bool]:
        """Keep a sealed baseline: True if it is new, False if there is one of that name already."""

    def put_audit(self, at_ns: int, actor: str, action: str, detail: str) -> Future[None]:
        """Add a line to the audit log."""

    def latest_plans(self) -> dict[str, PlanRecord]:
        """Return the newest plan of every agent."""

    def streams(self) -> list[StreamRecord]:
        """Return every stream ever planned."""

    def verdict_states(self) -> list[VerdictState]:
        """Return the latest verdict of every demand ever judged."""

    def verdict_changes(
        self,
        *,
        target: str | None = None,
        path: str | None = None,
        from_ns: int | None = None,
        to_ns: int | None = None,
        before_id: int | None = None,
        limit: int = 1000,
    ) -> list[VerdictChange]:
        """Return the log of changes, newest first, with from_ns ≤ at_ns < to_ns."""

    def baselines(self) -> list[BaselineRecord]:
        """Return every sealed baseline, oldest first."""

    def agent_totals(self) -> dict[str, AgentTotals]:
        """Return what is held of each agent."""

    def chunks_of(
        self, agent: str, from_ns: int, to_ns: int, limit: int
    ) -> tuple[list[StoredChunk], int | None]:
        """Return chunks of one agent with from_ns ≤ start_ns < to_ns, oldest first.

        At most about `limit`, but always all of one `start_ns` together; the second value is the
        `from_ns` at which to go on, None at the end.
        """

    def chunks_since(self, from_ns: int) -> Iterator[StoredChunk]:
        """Yield every chunk with start_ns ≥ from_ns, in the order in which they were stored."""

    def state(self) -> StoreState:
        """Return how the store is."""
