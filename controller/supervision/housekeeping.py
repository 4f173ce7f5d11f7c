"""The store's own work between deliveries: rolling up what is due, forgetting what is too old.

It has one thread with a low priority, and rests at least as long as it works while windows wait to
be written, so that ingest goes before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from controller.store.interface import Store
from controller.supervision.watchdog import Watchdog
from foundation.allocation import give_back
from foundation.clock import Clock

LOOP = "housekeeping"
LONGEST_ROUND_S = 900.0  # much may have to be forgotten at once
INTERVALS_AT_ONCE = 8
IDLE_S = 1.0
EXPIRE_EVERY_S = 60.0
_NICENESS = 10


async def run_housekeeping(
    store: Store,
    clock: Clock,
    watchdog: Watchdog | None = None,
    forget_as_of_ns: Callable[[], int | None] | None = None,
) -> None:
    """Roll up and forget until cancelled; what is too old is so as of `forget_as_of_ns`."""
    as_of = forget_as_of_ns or clock.wall_ns
    watchdog = watchdog or Watchdog(clock)
    watchdog.expect(LOOP, LONGEST_ROUND_S)
    loop = asyncio.get_running_loop()
    expired_s = -EXPIRE_EVERY_S
    with ThreadPoolExecutor(1, "housekeeping", initializer=_free_reserve) as thread:
        while True:
            began_s = time.monotonic()
            done = 0
            with watchdog.part(LOOP, "rollups"):  # ingest continues whatever is wrong here
                done = await loop.run_in_executor(
                    thread, store.rollups.roll_up, clock.wall_ns(), INTERVALS_AT_ONCE
                )
                if began_s - expired_s >= EXPIRE_EVERY_S:
                    as_of_ns, expired = as_of(), 0
                    if as_of_ns is not None:
                        expired = await loop.run_in_executor(thread, store.rollups.expire, as_of_ns)
                    await loop.run_in_executor(thread, give_back)
                    expired_s = expired_s if expired else began_s
                    done += expired
            watchdog.rounded(LOOP)
            worked_s = time.monotonic() - began_s
            busy = store.state().queued_writes > 0
            await asyncio.sleep((worked_s if busy else 0.0) if done else IDLE_S)


def _free_reserve() -> None:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
