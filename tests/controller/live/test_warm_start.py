"""A controller that starts knows of the judged period what one that never stopped would know."""

import pathlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.fleet.exclusions import Exclusions
from controller.fleet.maintenance import Maintenance
from controller.fleet.silences import Silences
from controller.live.baseline_comparator import BaselineComparator
from controller.live.memory import RecentWindows
from controller.live.scope import Scope, scope_of
from controller.live.warm_start import batches_between, remember, taking
from controller.store.interface import Store
from probes.window import WindowBatch
from tests.controller.conftest import SetClock, batch_of, chunk_of
from tests.controller.store.stored_chunks import chunk_of_batch
from tests.memory_store import memory_store
from topology.mesh import plan_streams
from topology.site_file import load_network

SECOND = 1_000_000_000
WINDOW_NS = 10 * SECOND
PERIOD_NS = 300 * SECOND
AGENT = "nanjing"
BOUND = [HealthCheck.function_scoped_fixture]  # the scope is made once and never changes


@pytest.fixture
def scope(site_file: pathlib.Path) -> Scope:
    network = load_network(site_file)
    return scope_of(network, plan_streams(network), (), window_ns=WINDOW_NS)


def nothing_excluded(scope: Scope) -> Exclusions:
    return Exclusions(Maintenance((), scope.path_index), Silences({}, scope.stream_index))


def stored(batches: Sequence[WindowBatch], agent: str = AGENT) -> Store:
    store = memory_store()
    for sequence, batch in enumerate(batches):
        chunk = chunk_of_batch(
            batch, chunk_of(batch, agent=agent, sequence=sequence), agent, sequence
        )
        assert store.windows.put_chunk(chunk).result()
    return store


def known(memory: RecentWindows) -> list[tuple[int, list[int], list[int], list[float]]]:
    merged = memory.merged(memory.snapshot())
    return [
        (slot, one.row.tolist(), one.counters["sent"].tolist(), one.total_ns["rtt"].tolist())
        for slot, one in merged.items()
    ]


@settings(deadline=None, max_examples=30, suppress_health_check=BOUND)
@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=12, unique_by=lambda w: w[0]
    )
)
def test_what_is_read_back_is_what_was_taken_in_as_it_came(
    scope: Scope, windows: list[tuple[int, int]]
) -> None:
    """Windows of the judged period and of before it; only the former are remembered."""
    clock = SetClock()
    begin_ns = clock.now_ns - 600 * SECOND
    ids = scope.stream_ids[:3]
    batches = [batch_of(ids, begin_ns + number * WINDOW_NS, sent=sent) for number, sent in windows]
    memories = [RecentWindows(scope.stream_ids, PERIOD_NS) for _ in range(2)]
    lived, started = memories
    comparator = BaselineComparator((), ())
    takes = [
        taking(memory, lambda: nothing_excluded(scope), comparator, clock) for memory in memories
    ]
    for batch in batches:
        takes[0](batch)
    remember(stored(batches), started, comparator, nothing_excluded(scope), takes[1], clock.now_ns)
    assert known(started) == known(lived)
    kept = [one for one in batches if one.start_ns >= lived.horizon_ns(clock.now_ns)]
    assert sum(sum(sent) for _, _, sent, _ in known(started)) == sum(
        int(one.counters["sent"].sum()) for one in kept
    )


def test_windows_that_were_excluded_are_excluded_again(scope: Scope) -> None:
    clock = SetClock()
    memory = RecentWindows(scope.stream_ids, PERIOD_NS)

    class AllExcluded(Exclusions):
        def of(self, batch: WindowBatch) -> np.ndarray:
            return np.ones(len(scope.streams), np.bool_)

    excluded = AllExcluded(nothing_excluded(scope).maintenance, nothing_excluded(scope).silences)
    take = taking(memory, lambda: excluded, BaselineComparator((), ()), clock)
    batches = [batch_of(scope.stream_ids[:1], clock.now_ns - 60 * SECOND)]
    remember(stored(batches), memory, BaselineComparator((), ()), excluded, take, clock.now_ns)
    assert known(memory) == []


def test_of_a_change_only_windows_that_lie_wholly_between_are_read(scope: Scope) -> None:
    batches = [batch_of(scope.stream_ids[:1], start * WINDOW_NS) for start in range(100)]
    store = stored(batches)
    found = batches_between(store, [AGENT], 10 * WINDOW_NS, 95 * WINDOW_NS - 1)
    assert [one.start_ns // WINDOW_NS for one in found] == list(range(10, 94))
    assert list(batches_between(store, ["suzhou"], 0, 100 * WINDOW_NS)) == []
