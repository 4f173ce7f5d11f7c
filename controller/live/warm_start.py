"""What was measured before a start, read back from the store before anything is judged.

Of the judged period every window; of the week that improvements are judged on the store's hours,
which are already merged, and windows only where an hour is not whole or something in it does not
count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from controller.fleet.exclusions import Exclusions
from controller.live.baseline_comparator import HOUR_NS, BaselineComparator
from controller.live.memory import RecentWindows
from controller.store.interface import Store
from controller.store.readable import readable_chunks
from controller.store.records import StoredChunk
from foundation.clock import Clock
from probes.window import WindowBatch

REMEMBERED_AT_ONCE = 100_000  # windows that are read back before they are merged
_CHUNKS_AT_ONCE = 256
_CHUNKS_OF_A_PERIOD = 32


def remember(
    store: Store,
    memory: RecentWindows,
    comparator: BaselineComparator,
    excluded: Exclusions,
    take: Callable[[WindowBatch], None],
    now_ns: int,
) -> None:
    """Fill `memory` and `comparator` with what the store holds; `take` is for what is
    judged now.
    """

    def compact() -> None:
        memory.compact()
        comparator.compact()

    since_ns = memory.horizon_ns(now_ns)
    _take_all(store.windows.chunks_since(since_ns), take, compact)
    for agent in sorted({stream.path.source.site for stream in comparator.streams}):
        _remember_week(store, comparator, excluded, agent, comparator.horizon_ns(now_ns), since_ns)


def _remember_week(
    store: Store,
    comparator: BaselineComparator,
    excluded: Exclusions,
    agent: str,
    from_ns: int,
    to_ns: int,
) -> None:
    def take(batch: WindowBatch) -> None:
        comparator.add(batch, excluded.of(batch))

    for start_ns, block in store.series.hours_of(agent, from_ns, to_ns // HOUR_NS * HOUR_NS):
        if excluded.during(start_ns, start_ns + HOUR_NS) is None:
            _take_all(_chunks(store, agent, from_ns, start_ns), take, comparator.compact)
            comparator.add_hour(start_ns, block)
            from_ns = start_ns + HOUR_NS
    _take_all(_chunks(store, agent, from_ns, to_ns), take, comparator.compact)


def _chunks(store: Store, agent: str, from_ns: int, to_ns: int) -> Iterator[StoredChunk]:
    next_ns: int | None = from_ns
    while next_ns is not None and next_ns < to_ns:
        page, next_ns = store.windows.chunks_of(agent, next_ns, to_ns, _CHUNKS_AT_ONCE)
        yield from page


def _take_all(
    chunks: Iterable[StoredChunk], take: Callable[[WindowBatch], None], compact: Callable[[], None]
) -> None:
    """Take in the windows of stored chunks, merging them as they come."""
    loose = 0
    for _, batch in readable_chunks(chunks):
        take(batch)
        loose += batch.rows
        if loose > REMEMBERED_AT_ONCE:
            compact()
            loose = 0


def batches_between(
    store: Store, agents: Sequence[str], from_ns: int, to_ns: int
) -> Iterator[WindowBatch]:
    """Yield the windows of agents that lie wholly in from_ns ≤ t < to_ns, one agent after another.

    In the windows of the change itself a sender may have its plan before its reflector has.
    """
    for agent in agents:
        at_ns: int | None = from_ns
        while at_ns is not None:
            chunks, at_ns = store.windows.chunks_of(agent, at_ns, to_ns, _CHUNKS_OF_A_PERIOD)
            whole = (chunk for chunk in chunks if chunk.start_ns + chunk.duration_ns <= to_ns)
            yield from (batch for _, batch in readable_chunks(whole))


def taking(
    memory: RecentWindows,
    excluded: Callable[[], Exclusions],
    comparator: BaselineComparator,
    clock: Clock,
) -> Callable[[WindowBatch], None]:
    """Return what is done with every batch that is new in the store."""

    def take(batch: WindowBatch) -> None:
        not_judged = excluded().of(batch)
        # Of a backlog only what is still judged goes into memory.
        if batch.start_ns >= memory.horizon_ns(clock.wall_ns()):
            memory.add(batch, not_judged)
        comparator.add(batch, not_judged)

    return take
