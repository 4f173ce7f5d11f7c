"""Rolling up and forgetting continue between deliveries, whatever is wrong with them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from controller.store.interface import Store
from controller.store.levels import DAY_NS
from controller.store.records import StoredChunk
from controller.supervision.housekeeping import LONGEST_ROUND_S, LOOP, run_housekeeping
from controller.supervision.watchdog import Watchdog
from tests.memory_store import memory_store


class Rounds(Watchdog):
    """A watchdog of which one can wait for the end of a round."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self.ended = asyncio.Event()

    def rounded(self, loop: str) -> None:
        super().rounded(loop)
        self.ended.set()


def store_with_old_windows(now_ns: int) -> Store:
    store = memory_store()
    for sequence, days in enumerate((400, 1)):
        chunk = StoredChunk(
            agent="a",
            boot="b",
            sequence=sequence,
            plan_version=1,
            start_ns=now_ns - days * DAY_NS,
            duration_ns=10**10,
            counts={"windows": 1},
            received_ns=0,
            payload=b"x",
        )
        store.windows.put_chunk(chunk).result()
    return store


@asynccontextmanager
async def kept_house(
    store: Store, clock: Any, as_of: Callable[[], int | None] | None = None
) -> AsyncIterator[Rounds]:
    """Keep house for one round."""
    dog = Rounds(clock)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(run_housekeeping(store, clock, dog, as_of))
        await dog.ended.wait()
        keeping.cancel()
    yield dog


@pytest.mark.parametrize(
    ("trusted", "left"), [(True, 1), (False, 2)], ids=["clock is right", "nobody knows the time"]
)
async def test_what_is_too_old_is_forgotten_where_the_time_is_known(
    clock: Any, trusted: bool, left: int
) -> None:
    store = store_with_old_windows(clock.now_ns)
    async with kept_house(store, clock, lambda: clock.now_ns if trusted else None) as dog:
        assert dog.failing() == {}
        assert len(list(store.windows.chunks_since(0))) == left


async def test_age_is_told_by_the_wall_clock_unless_said_otherwise(clock: Any) -> None:
    store = store_with_old_windows(clock.now_ns)
    async with kept_house(store, clock):
        assert len(list(store.windows.chunks_since(0))) == 1


async def test_a_store_that_raises_is_told_and_the_rounds_go_on(clock: Any) -> None:
    class Broken:
        def roll_up(self, now_ns: int, limit: int) -> int:
            raise ArithmeticError("boom")

    store: Any = replace(memory_store(), rollups=Broken())
    async with kept_house(store, clock) as dog:
        assert dog.failing() == {f"{LOOP}/rollups": "ArithmeticError: boom"}
        assert dog.stalled() == []
        clock.now_ns += round((LONGEST_ROUND_S + 1) * 1e9)
        assert dog.stalled() == [LOOP]
