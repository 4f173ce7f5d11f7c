"""How many chunks may be on their way, and in hand, at once: of one agent, and in all.

A chunk that is not there yet takes nothing from others but memory, so of what arrives the largest
gives way: usual chunks are small, and whoever fills the memory has the largest.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from controller.domain_errors import BusyError, RefusedError, TooSlowError
from foundation.text import Text
from messages.exchange import MAX_CHUNK_BYTES

MAX_UPLOADS = 2  # bodies that one agent may be sending at once
MAX_ARRIVING_BYTES = 4 * MAX_CHUNK_BYTES  # of bodies that are being read
MAX_IN_HAND_BYTES = 4 * MAX_CHUNK_BYTES  # of bodies that are being decoded or committed
BODY_S = 60.0  # for the whole of one
BUSY_RETRY_S = 2

ReadBody = Callable[[Callable[[int], None]], Awaitable[bytes]]


@dataclass(slots=True, eq=False)
class _Arriving:
    """A body that is being read."""

    limit: asyncio.Timeout
    size_bytes: int = 0
    gave_way: bool = False


class Uploads:
    """The bodies of chunks. `refused` counts refusals by their code; on the event loop alone."""

    def __init__(self, refused: Counter[str]) -> None:
        self._refused = refused
        self._of_agent: Counter[str] = Counter()
        self._arriving: set[_Arriving] = set()
        self.arriving_bytes = self._in_hand_bytes = 0

    async def read(self, name: str, read_body: ReadBody) -> bytes:
        """Return the body that an agent sends, in one of its own slots and in a bounded time.

        `read_body` is told whom to tell of each piece. Raises BusyError where the agent's slots or
        the memory are taken, TooSlowError where the body does not come, and what `read_body`
        raises.
        """
        try:
            with self._slot(name):
                return await self._read(read_body)
        except RefusedError as error:
            self._refused[error.code] += 1
            raise

    @contextlib.contextmanager
    def in_hand(self, size_bytes: int) -> Iterator[None]:
        """Count a body as in hand while it is stored. Raises BusyError if there are many.

        Asked once the body is there: nobody holds a place by sending nothing.
        """
        if self._in_hand_bytes and self._in_hand_bytes + size_bytes > MAX_IN_HAND_BYTES:
            self._refused["busy"] += 1
            raise _busy()
        self._in_hand_bytes += size_bytes
        try:
            yield
        finally:
            self._in_hand_bytes -= size_bytes

    @contextlib.contextmanager
    def _slot(self, name: str) -> Iterator[None]:
        if self._of_agent[name] >= MAX_UPLOADS:
            raise BusyError(
                "busy_agent",
                Text(
                    f"Agent {name} is sending {MAX_UPLOADS} chunks already; finish one first.",
                    f"探针 {name} 已有 {MAX_UPLOADS} 个数据块正在上传；请先完成其中之一。",
                ),
                retry_after_s=BUSY_RETRY_S,
            )
        self._of_agent[name] += 1
        try:
            yield
        finally:
            self._of_agent[name] -= 1
            if not self._of_agent[name]:
                del self._of_agent[name]

    async def _read(self, read_body: ReadBody) -> bytes:
        async with contextlib.AsyncExitStack() as held:
            mine = _Arriving(asyncio.timeout(BODY_S))
            held.callback(self._arrived, mine)
            self._arriving.add(mine)
            try:
                async with mine.limit:
                    return await read_body(lambda size: self._more(mine, size))
            except TimeoutError as error:
                raise (_busy() if mine.gave_way else slow_body(BODY_S)) from error

    def _more(self, mine: _Arriving, size_bytes: int) -> None:
        """Count a piece; where that is too much in all, the largest body is given up."""
        mine.size_bytes += size_bytes
        self.arriving_bytes += size_bytes
        if self.arriving_bytes <= MAX_ARRIVING_BYTES:
            return
        largest = max(self._arriving, key=lambda one: one.size_bytes)
        if not largest.limit.expired():
            largest.gave_way = True
            largest.limit.reschedule(asyncio.get_running_loop().time())

    def _arrived(self, mine: _Arriving) -> None:
        self._arriving.remove(mine)
        self.arriving_bytes -= mine.size_bytes


def _busy() -> BusyError:
    return BusyError(
        "busy",
        Text(
            "The controller is busy with other chunks; try again in a few seconds.",
            "控制器正在处理较多数据，请几秒后重试。",
        ),
        retry_after_s=BUSY_RETRY_S,
    )


def slow_body(limit_s: float) -> TooSlowError:
    """Return the refusal of a body that did not come in time."""
    return TooSlowError(
        "slow_body",
        Text(
            f"The body did not arrive within {limit_s:.0f} s; send it again.",
            f"请求体未在 {limit_s:.0f} 秒内传完，请重新提交。",
        ),
        retry_after_s=BUSY_RETRY_S,
    )
