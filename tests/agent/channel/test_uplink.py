"""Against a real server that fails in every way, each chunk arrives and none is left behind."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.channel.backoff import Backoff
from agent.channel.claim import Claim
from agent.channel.link import open_session
from agent.channel.uplink import LATER_S, Uplink
from agent.conditions import Conditions
from agent.spool.spooler import Spooler, SpoolState
from foundation.clock import SystemClock
from messages.chunk import decode_chunk
from messages.exchange import REFUSED_FOR_EVER, Dropped
from messages.sections.windows import WINDOWS
from tests.agent.conftest import MakeWindows


def refusal(code: str) -> dict[str, object]:
    return {"error": {"code": code, "message": {"en": "Busy.", "zh": "繁忙。"}, "fields": {}}}


BUSY = refusal("busy")


@dataclass
class Controller:
    """A controller that commits chunks, and answers as a script says while it lasts."""

    script: list[str] = field(default_factory=list)
    stored: dict[tuple[str, int], int] = field(default_factory=dict)
    posts: Counter[int] = field(default_factory=Counter)

    async def chunks(self, request: web.Request) -> web.Response:
        chunk = decode_chunk(await request.read())
        self.posts[chunk.sequence] += 1
        act = self.script.pop(0) if self.script else "commit"
        if act == "drop":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if act.isdigit():
            headers = {"Retry-After": "0.02"} if act == "429" else {}
            return web.json_response(BUSY, status=int(act), headers=headers)
        if act not in ("commit", "commit-drop", "wrong"):  # a word for why not
            status = 422 if act in REFUSED_FOR_EVER else 409
            return web.json_response(refusal(act), status=status)
        key = (chunk.boot, chunk.sequence)
        duplicate = key in self.stored
        self.stored[key] = chunk.batch.rows
        if act == "commit-drop":  # it is committed, but the agent never hears of it
            assert request.transport is not None
            request.transport.abort()
        if act == "wrong":
            return web.json_response({"sequence": 999_999})
        return web.json_response({"sequence": chunk.sequence, "duplicate": duplicate})


class ClockAhead(SystemClock):
    """A clock of which `ahead_ns` may be advanced."""

    ahead_ns = 0

    def monotonic_ns(self) -> int:
        return super().monotonic_ns() + self.ahead_ns


Served = tuple[Controller, str]


@pytest.fixture
async def controller() -> AsyncIterator[Served]:
    controller = Controller()
    app = web.Application()
    app.router.add_post("/chunks", controller.chunks)
    async with TestServer(app) as server:
        yield controller, str(server.make_url("/")).rstrip("/")


@pytest.fixture
def clock() -> ClockAhead:
    return ClockAhead()


@pytest.fixture
async def spooler(tmp_path: Path, clock: ClockAhead) -> AsyncIterator[Spooler]:
    spooler = Spooler(tmp_path / "s", agent="a1", max_bytes=1 << 24, max_age_s=1e9, clock=clock)
    yield spooler
    await asyncio.to_thread(spooler.close)


async def fill(spooler: Spooler, make_windows: MakeWindows, chunks: int) -> None:
    for second in range(chunks):
        spooler.add(WINDOWS, make_windows(1, 2, start_s=1_700_000_000 + second), 1)
    await spooler.flush()


async def state_of(spooler: Spooler) -> SpoolState:
    return await spooler.ask(spooler.do_state)


def heard() -> Claim:
    claim = Claim()
    claim.confirm("c0ffee")
    return claim


async def deliver(
    spooler: Spooler, base: str, conditions: Conditions, until: Callable[[SpoolState], object]
) -> None:
    """Run the uplink until `until()` holds of the spool's state."""
    session, url = open_session(base)
    backoff = Backoff(first_s=0.001, longest_s=0.01)
    async with session, asyncio.timeout(120), asyncio.TaskGroup() as group:
        uplink = Uplink(session, f"{url}/chunks", spooler, conditions, heard(), backoff)
        task = group.create_task(uplink.run(), name="uplink")
        while not until(await state_of(spooler)):  # noqa: ASYNC110 (the spool is a thread)
            await asyncio.sleep(0.005)
        task.cancel()


def is_empty(state: SpoolState) -> bool:
    return state.chunks == 0


@pytest.mark.parametrize(
    "script",
    [
        [],
        ["500"] * 5,
        ["429"] * 5,
        ["503", "404", "401", "500"],
        ["drop"] * 6,
        ["commit-drop"] * 6,
        ["wrong"] * 3,
        ["429", "drop", "500", "commit-drop", "commit", "503", "drop", "commit-drop"],
    ],
)
async def test_every_chunk_arrives_whatever_the_controller_does(
    controller: Served, spooler: Spooler, make_windows: MakeWindows, script: list[str]
) -> None:
    server, base = controller
    server.script = list(script)
    await fill(spooler, make_windows, 20)
    conditions = Conditions()
    await deliver(spooler, base, conditions, is_empty)
    assert sorted(sequence for _, sequence in server.stored) == list(range(1, 21))
    assert conditions.current() == ()


@pytest.mark.parametrize("word", sorted(REFUSED_FOR_EVER))
async def test_refused_chunk_is_put_aside_told_of_and_never_sent_again(
    controller: Served, spooler: Spooler, make_windows: MakeWindows, word: str
) -> None:
    server, base = controller
    server.script = [word]
    await fill(spooler, make_windows, 5)
    conditions = Conditions()
    await deliver(
        spooler, base, conditions, lambda state: conditions.current() and state.chunks == 1
    )
    state = await state_of(spooler)
    twice = word == "measured_twice"
    reason = "measured_twice" if twice else "refused"
    assert state.totals.dropped == (Dropped(reason=reason, counts={"windows": 2, "probes": 20}),)
    assert max(server.posts.values()) == 1
    (condition,) = conditions.current()
    assert condition.code == ("measured_twice" if twice else "chunks_refused")
    assert "Busy." in condition.text.en


@pytest.mark.parametrize("word", ["future_dated", "expired", "foreign_streams", "other_version"])
async def test_a_chunk_whose_time_has_not_come_waits_alone_and_is_delivered_later(
    controller: Served, spooler: Spooler, clock: ClockAhead, make_windows: MakeWindows, word: str
) -> None:
    server, base = controller
    server.script = [word] * 5
    await fill(spooler, make_windows, 12)
    conditions = Conditions()
    session, url = open_session(base)
    async with session:
        uplink = Uplink(session, f"{url}/chunks", spooler, conditions, heard())
        for _ in range(4):
            await uplink.round()
        assert (len(server.stored), (await state_of(spooler)).chunks) == (7, 5)
        assert [one.code for one in conditions.current()] == ["chunks_later"]
        clock.ahead_ns = round(2 * LATER_S * 1e9)
        await uplink.round()
    assert (len(server.stored), conditions.current()) == (12, ())
    assert (await state_of(spooler)).totals.dropped == ()


async def test_a_stopping_agent_offers_what_waits_once_more(
    controller: Served, spooler: Spooler, make_windows: MakeWindows
) -> None:
    server, base = controller
    server.script = ["future_dated"] * 3
    await fill(spooler, make_windows, 3)
    session, url = open_session(base)
    async with session:
        uplink = Uplink(session, f"{url}/chunks", spooler, Conditions(), heard())
        await uplink.round()
        assert server.stored == {}
        await uplink.drain()
    assert len(server.stored) == 3


async def test_an_answer_of_somebody_else_throws_nothing_away(
    controller: Served, spooler: Spooler, make_windows: MakeWindows
) -> None:
    """A proxy between may say 400 or 422, too; what it says is not of the chunk."""
    server, base = controller
    server.script = ["400", "413", "422"] * 3
    await fill(spooler, make_windows, 3)
    await deliver(spooler, base, Conditions(), is_empty)
    assert len(server.stored) == 3


async def test_backlog_drains_oldest_first_and_live_windows_never_wait_for_it(
    controller: Served, spooler: Spooler, make_windows: MakeWindows
) -> None:
    """The rule: of five chunks sent at once two are the newest and three are the oldest."""
    server, base = controller
    await fill(spooler, make_windows, 210)
    session, url = open_session(base)
    order: list[list[int]] = []
    async with session:
        uplink = Uplink(session, f"{url}/chunks", spooler, Conditions(), heard())
        for live in range(211, 241):
            spooler.add(WINDOWS, make_windows(1, start_s=1_700_000_000 + live), 1)
            await spooler.flush()
            before = len(server.stored)
            await uplink.round()
            order.append([sequence for _, sequence in list(server.stored)[before:]])
    for live, sent in enumerate(order, start=211):
        assert live in sent
    oldest = [sequence for sent in order for sequence in sorted(sent)[:3]]
    assert oldest == list(range(1, 3 * len(order) + 1))


async def test_unreachable_controller_is_told_of_and_nothing_is_lost(
    spooler: Spooler, make_windows: MakeWindows
) -> None:
    await fill(spooler, make_windows, 3)
    conditions = Conditions()
    await deliver(spooler, "http://127.0.0.1:9", conditions, lambda _: conditions.current())
    assert conditions.current()[0].code == "uplink"
    assert (await state_of(spooler)).chunks == 3


async def test_live_windows_are_not_starved_by_a_long_backlog(
    controller: Served, spooler: Spooler, make_windows: MakeWindows
) -> None:
    server, base = controller
    await fill(spooler, make_windows, 200)
    session, url = open_session(base)
    async with session:
        uplink = Uplink(session, f"{url}/chunks", spooler, Conditions(), heard())
        await uplink.round()
        spooler.add(WINDOWS, make_windows(1, start_s=1_800_000_000), 1)
        await spooler.flush()
        await uplink.round()
    assert 201 in server.posts
    assert {1, 2, 3, 4, 5, 6} <= set(server.posts)


async def test_busy_controller_that_takes_some_is_not_left_alone_for_longer_and_longer(
    controller: Served, spooler: Spooler, make_windows: MakeWindows
) -> None:
    server, base = controller
    await fill(spooler, make_windows, 100)
    session, url = open_session(base)
    async with session:
        uplink = Uplink(
            session, f"{url}/chunks", spooler, Conditions(), heard(), Backoff(first_s=0.1)
        )
        for _ in range(12):
            server.script = ["429"]
            _, wait_s = await uplink.round()
            assert 0 < wait_s <= 0.1


async def test_retry_after_is_obeyed(
    controller: Served, spooler: Spooler, make_windows: MakeWindows
) -> None:
    server, base = controller
    server.script = ["429"] * 8
    await fill(spooler, make_windows, 1)
    session, url = open_session(base)
    async with session:
        uplink = Uplink(session, f"{url}/chunks", spooler, Conditions(), heard(), Backoff(0, 0))
        sent, wait_s = await uplink.round()
    assert sent == 1
    assert 0.02 <= wait_s <= 0.025


async def test_unix_socket_controller_is_reached(
    tmp_path: Path, spooler: Spooler, make_windows: MakeWindows
) -> None:
    server = Controller()
    app = web.Application()
    app.router.add_post("/chunks", server.chunks)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, tmp_path / "c.sock").start()
    await fill(spooler, make_windows, 2)
    await deliver(spooler, f"unix://{tmp_path}/c.sock", Conditions(), is_empty)
    await runner.cleanup()
    assert len(server.stored) == 2
