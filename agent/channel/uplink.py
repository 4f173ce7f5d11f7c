"""The uplink: chunks from the spool to the controller, deleted only once it has committed them.

Each round sends the newest chunks and the oldest ones together, so that a long backlog drains in
order while live data stays live. A chunk the controller will never have (malformed, oversized,
not ours) is put aside and told of; for anything else the uplink waits and tries again. A chunk
whose time has not come (a clock is wrong, a plan not known) waits alone, and the others continue.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
import msgspec

from agent.channel.backoff import Backoff
from agent.channel.claim import Claim
from agent.channel.link import read_answer, refusal_code, refusal_of, unreachable
from agent.conditions import Conditions
from agent.spool.file import SpooledChunk
from agent.spool.spooler import Spooler
from agent.wake_up import WakeUp
from foundation.json_document import decode_json
from foundation.text import Text
from messages.exchange import (
    ANOTHER_AGENT,
    CHUNK_CONTENT_TYPE,
    CLAIM_HEADER,
    MEASURED_TWICE,
    REFUSED_FOR_EVER,
    Acknowledgement,
    DropReason,
)

# Few at once: what a fleet that comes back has in flight is the queue that live windows wait in.
# Two newest, so that live windows keep up even where a round takes longer than a window.
OLDEST_PER_ROUND = 3
NEWEST_PER_ROUND = 2
_LONGEST_RETRY_AFTER_S = 600.0
_LONGEST_DRAIN_WAIT_S = 1.0  # a stopping agent has little time
LATER_S = 15.0  # before a chunk is offered again that the controller will not have yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of one chunk: committed, refused for good, or to be tried again.

    `answered`: the controller said so, and has not stored it if it is not committed; else it may
    have. `duplicate`: it had it already. `later`: it is the chunk that has to wait, not the others.
    `twice`: it is refused since another agent of our name measured that time.
    """

    sequence: int
    committed: bool = False
    duplicate: bool = False
    answered: bool = True
    later: bool = False
    refused: Text | None = None
    twice: bool = False
    trouble: Text | None = None
    wait_s: float = 0.0


class Uplink:
    """Delivers the spool, and continues whenever `stored` says that there is more of it."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        spooler: Spooler,
        conditions: Conditions,
        claim: Claim,
        backoff: Backoff | None = None,
        stored: WakeUp | None = None,
    ) -> None:
        self._session = session
        self._url = url
        self._spooler = spooler
        self._conditions = conditions
        self._backoff = backoff or Backoff()
        self._claim = claim
        self._stored = stored or WakeUp()
        self._some_wait = False
        self.delivered_chunks = 0

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            await self._claim.wait_confirmed()
            self._stored.clear()
            sent, wait_s = await self.round()
            if wait_s:
                await asyncio.sleep(wait_s)
            elif not sent:
                with contextlib.suppress(TimeoutError):  # what waits for its time is looked at
                    async with asyncio.timeout(LATER_S):
                        await self._stored.wait()

    async def drain(self) -> None:
        """Deliver until the spool is empty; whoever calls says how long that may take."""
        await self._spooler.ask(self._spooler.offers.hurry)
        if self._claim.is_doubted:
            return
        sent, wait_s = await self.round()
        while sent:
            await asyncio.sleep(min(wait_s, _LONGEST_DRAIN_WAIT_S))
            sent, wait_s = await self.round()

    async def round(self) -> tuple[int, float]:
        """Send a few chunks at once; return how many there were and the seconds to wait now."""
        offers = self._spooler.offers
        chunks = await self._spooler.ask(offers.offer, OLDEST_PER_ROUND, NEWEST_PER_ROUND)
        if not chunks:
            return 0, 0.0
        deliveries = await self._deliver(chunks)
        committed = [each.sequence for each in deliveries if each.committed]
        if committed:
            self.delivered_chunks += len(committed)
            twice = frozenset(each.sequence for each in deliveries if each.duplicate)
            await self._spooler.ask(offers.acknowledge, committed, twice)
        await self._withdraw(deliveries)
        await self._look_at_later()
        for each in deliveries:
            if each.refused is not None:
                await self._put_aside(each)
        return len(chunks), self._verdict(deliveries)

    async def _deliver(self, chunks: list[SpooledChunk]) -> list[Delivery]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._post(chunk), name=f"chunk-{chunk.sequence}")
                for chunk in chunks
            ]
        return [task.result() for task in tasks]

    def _verdict(self, deliveries: list[Delivery]) -> float:
        """Return how long to wait after these deliveries, and report trouble or its end."""
        troubled = [each for each in deliveries if each.trouble is not None and not each.later]
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

    async def _withdraw(self, deliveries: list[Delivery]) -> None:
        """Tell the spool what the controller has not stored, and what has to wait."""
        untaken = [one for one in deliveries if one.trouble is not None and one.answered]
        if not untaken:
            return
        sequences = [one.sequence for one in untaken]
        await self._spooler.ask(self._spooler.offers.withdraw, sequences)
        later = {one.sequence: max(one.wait_s, LATER_S) for one in untaken if one.later}
        if later:
            await self._spooler.ask(self._spooler.offers.postpone, later)
            self._report_postponed(
                next(one.trouble for one in untaken if one.later and one.trouble)
            )

    async def _look_at_later(self) -> None:
        """Say when no chunk has to wait any more."""
        if self._some_wait:
            self._some_wait = await self._spooler.ask(self._spooler.offers.count_postponed) > 0
            if not self._some_wait:
                self._conditions.end("chunks_later")

    def _report_postponed(self, trouble: Text) -> None:
        self._some_wait = True
        self._conditions.begin("chunks_later", "warning", trouble)

    async def _put_aside(self, one: Delivery) -> None:
        assert one.refused is not None
        counted: DropReason = "measured_twice" if one.twice else "refused"
        await self._spooler.ask(self._spooler.offers.refuse, one.sequence, one.refused.en, counted)
        self._conditions.begin(
            "measured_twice" if one.twice else "chunks_refused",
            "error",
            Text(
                f"The controller refuses chunk {one.sequence}: {one.refused.en} It is set aside "
                f"in the spool.",
                f"控制器拒收数据块 {one.sequence}：{one.refused.zh}该数据块已在本地隔离保存。",
            ),
        )

    async def _post(self, chunk: SpooledChunk) -> Delivery:
        headers = {"Content-Type": CHUNK_CONTENT_TYPE, CLAIM_HEADER: self._claim.token}
        try:
            async with self._session.post(self._url, data=chunk.payload, headers=headers) as answer:
                body = await read_answer(answer)
                retry_after = answer.headers.get("Retry-After", "")
                return _delivery_of(chunk.sequence, answer.status, body, retry_after)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            trouble = unreachable(self._url, error)
            unsent = isinstance(error, aiohttp.ClientConnectorError)
            return Delivery(sequence=chunk.sequence, trouble=trouble, answered=unsent)


def _delivery_of(sequence: int, status: int, body: bytes, retry_after: str) -> Delivery:
    """Judge an answer of the controller."""
    if status == HTTPStatus.OK:
        said = _acknowledged(body)
        if said is not None and said.sequence == sequence:
            return Delivery(sequence=sequence, committed=True, duplicate=said.duplicate)
        text = Text(
            "The controller acknowledged a different chunk from the one it was sent.",
            "控制器确认的数据块与提交的不一致。",
        )
        return Delivery(sequence=sequence, trouble=text, answered=False)
    refusal = refusal_of(status, body)
    word = refusal_code(body)
    if word in REFUSED_FOR_EVER:
        return Delivery(sequence=sequence, refused=refusal, twice=word == MEASURED_TWICE)
    trouble = Text(
        f"The controller does not accept results now: {refusal.en} They are kept and sent later.",
        f"控制器暂不接收数据：{refusal.zh}数据保存在本地，稍后补传。",
    )
    return Delivery(
        sequence=sequence,
        trouble=trouble,
        # Whoever fails may fail after the commit; whoever is busy or blames the time has not begun.
        answered=status < HTTPStatus.INTERNAL_SERVER_ERROR
        or status == HTTPStatus.SERVICE_UNAVAILABLE,
        later=status == HTTPStatus.CONFLICT and word != ANOTHER_AGENT,
        wait_s=_seconds_of(retry_after),
    )


def _acknowledged(body: bytes) -> Acknowledgement | None:
    try:
        return decode_json(body, Acknowledgement)
    except msgspec.MsgspecError:
        return None


def _seconds_of(retry_after: str) -> float:
    """Return Retry-After in seconds; 0 for none and for the form with a date."""
    try:
        seconds = float(retry_after)
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_S) if math.isfinite(seconds) else 0.0
