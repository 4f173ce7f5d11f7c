"""Another thread wakes the event loop."""

import asyncio
import threading

from agent.wake_up import WakeUp


async def test_what_another_thread_says_wakes_who_waits() -> None:
    wake_up = WakeUp()
    thread = threading.Thread(target=wake_up.set)
    thread.start()
    async with asyncio.timeout(60):
        await wake_up.wait()
    thread.join()


async def test_after_it_was_cleared_it_waits_for_what_comes() -> None:
    wake_up = WakeUp()
    wake_up.set()
    async with asyncio.timeout(60):
        await wake_up.wait()
    wake_up.clear()
    waiting = asyncio.wait_for(wake_up.wait(), 60)
    wake_up.set()
    await waiting


def test_a_loop_that_has_ended_is_not_disturbed() -> None:
    async def made() -> WakeUp:
        return WakeUp()

    asyncio.run(made()).set()
