"""The uplink: chunks from the spool to the controller, deleted only once it has committed them.

Each round sends the newest chunks and the oldest ones together, so that a long backlog drains in
order while live data stays live. A chunk the controller will never have (malformed, oversized,
not ours) is put aside and told of; for anything else the uplink waits and tries again.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
import msgspec

from agent.backoff import Backoff
from agent.conditions import Conditions
from agent.link import read_answer, refusal_of, unreachable
from agent.spool import SpooledChunk
from agent.spooler import Spooler
from probes.exchange import CHUNK_CONTENT_TYPE, Acknowledgement
from probes.text import Text

# Few at once: what a fleet that comes back has in flight is the queue that live windows wait in.
# Two newest, so that live windows keep up even where a round takes longer than a window.
OLDEST_PER_ROUND = 3
NEWEST_PER_ROUND = 2
_LONGEST_RETRY_AFTER_S = 600.0
_LONGEST_DRAIN_WAIT_S = 1.0  # a stopping agent has little time
# These blame the chunk itself; other refusals blame its sender or the controller, and may pass.
_BLAMES_CHUNK = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of one chunk: committed, refused for good, or to be tried again."""

    sequence: int
    committed: bool = False
    refused: Text | None = None
    trouble: Text | None = None
    wait_s: float = 0.0


class Uplink:
    """Delivers the spool. One object a controller."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        spooler: Spooler,
        conditions: Conditions,
        backoff: Backoff | None = None,
    ) -> None:
        self._session = session
        self._url = url
        self._spooler = spooler
        self._conditions = conditions
        self._backoff = backoff or Backoff()
        self._more = asyncio.Event()
        self.delivered_chunks = 0

    def wake(self) -> None:
        """Say that the spool has something to send. Called on the event loop."""
        self._more.set()

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            self._more.clear()
            sent, wait_s = await self.round()
            if wait_s:
                await asyncio.sleep(wait_s)
            elif not sent:
                await self._more.wait()

    async def drain(self) -> None:
        """Deliver until the spool is empty; whoever calls says how long that may take."""
        sent, wait_s = await self.round()
        while sent:
            await asyncio.sleep(min(wait_s, _LONGEST_DRAIN_WAIT_S))
            sent, wait_s = await self.round()

    async def round(self) -> tuple[int, float]:
        """Send a few chunks at once; return how many there were and the seconds to wait now."""
        chunks = await asyncio.wrap_future(
            self._spooler.call(self._spooler.do_pending, OLDEST_PER_ROUND, NEWEST_PER_ROUND)
        )
        if not chunks:
            return 0, 0.0
        deliveries = await self._deliver(chunks)
        committed = [each.sequence for each in deliveries if each.committed]
        if committed:
            self.delivered_chunks += len(committed)
            await asyncio.wrap_future(self._spooler.call(self._spooler.do_acknowledge, committed))
        for each in deliveries:
            if each.refused is not None:
                await self._put_aside(each.sequence, each.refused)
        return len(chunks), self._verdict(deliveries)

    async def _deliver(self, chunks: list[SpooledChunk]) -> list[Delivery]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._post(chunk), name=f"chunk-{chunk.sequence}")
                for chunk in chunks
            ]
        return [task.result() for task in tasks]

    def _verdict(self, deliveries: list[Delivery]) -> float:
        """Return how long to wait after these deliveries, and tell of trouble or its end."""
        troubled = [each for each in deliveries if each.trouble is not None]
        if not troubled:
            self._backoff.succeeded()
            self._conditions.end("uplink")
            return 0.0
        assert troubled[0].trouble is not None
        if any(each.committed for each in deliveries):
            self._backoff.succeeded()  # it works, and is only busy: the wait it asks for will do
        self._conditions.begin("uplink", "warning", troubled[0].trouble)
        asked_s = max(each.wait_s for each in troubled)
        return max(self._backoff.next_s(), self._backoff.at_least_s(asked_s))

    async def _put_aside(self, sequence: int, reason: Text) -> None:
        await asyncio.wrap_future(self._spooler.call(self._spooler.do_refuse, sequence, reason.en))
        self._conditions.begin(
            "chunks_refused",
            "error",
            Text(
                f"The controller refuses chunk {sequence}: {reason.en} It is kept in the spool, "
                "out of the way.",
                f"控制器拒收数据块 {sequence}：{reason.zh}该数据块已在本地隔离保存。",
            ),
        )

    async def _post(self, chunk: SpooledChunk) -> Delivery:
        headers = {"Content-Type": CHUNK_CONTENT_TYPE}
        try:
            async with self._session.post(self._url, data=chunk.payload, headers=headers) as answer:
                body = await read_answer(answer)
                retry_after = answer.headers.get("Retry-After", "")
                return _delivery_of(chunk.sequence, answer.status, body, retry_after)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            trouble = unreachable(self._url, error)
            return Delivery(sequence=chunk.sequence, trouble=trouble)


def _delivery_of(sequence: int, status: int, body: bytes, retry_after: str) -> Delivery:
    """Judge an answer of the controller."""
    if status == HTTPStatus.OK:
        if _acknowledged(body) == sequence:
            return Delivery(sequence=sequence, committed=True)
        text = Text(
            "The controller acknowledged another chunk than it was sent.",
            "控制器确认的数据块与提交的不一致。",
        )
        return Delivery(sequence=sequence, trouble=text)
    said = refusal_of(status, body)
    if status in _BLAMES_CHUNK:
        return Delivery(sequence=sequence, refused=said)
    trouble = Text(
        f"The controller does not take windows now: {said.en} They are kept and sent later.",
        f"控制器暂不接收数据：{said.zh}数据保存在本地，稍后重发。",
    )
    return Delivery(sequence=sequence, trouble=trouble, wait_s=_seconds_of(retry_after))


def _acknowledged(body: bytes) -> int | None:
    try:
        return msgspec.json.decode(body, type=Acknowledgement).sequence
    except msgspec.MsgspecError:
        return None


def _seconds_of(retry_after: str) -> float:
    """Return Retry-After in seconds; 0 for none and for the form with a date."""
    try:
        seconds = float(retry_after)
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_S) if math.isfinite(seconds) else 0.0
