"""How another thread tells the event loop that there is something to do."""

from __future__ import annotations

import asyncio
import contextlib


class WakeUp:
    """An event that any thread may set, waited for on the event loop that it was made on."""

    def __init__(self) -> None:
        self._loop, self._event = asyncio.get_running_loop(), asyncio.Event()

    def set(self) -> None:
        """Let who waits continue. Callable on any thread, even after the loop has ended."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the agent has stopped
            self._loop.call_soon_threadsafe(self._event.set)

    def clear(self) -> None:
        """Let `wait` wait for what comes from now on."""
        self._event.clear()

    async def wait(self) -> None:
        """Wait until it has been set."""
        await self._event.wait()
