"""Nothing is delivered by an agent that does not know itself heard."""

import asyncio
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.channel.claim import Claim
from agent.channel.link import open_session
from agent.channel.uplink import Uplink
from agent.conditions import Conditions
from agent.spool.spooler import Spooler
from messages.chunk import decode_chunk
from messages.exchange import CLAIM_HEADER
from messages.sections.windows import WINDOWS
from tests.agent.conftest import MakeWindows


async def test_claim_is_doubted_until_it_is_given_and_again_when_another_is_heard() -> None:
    claim = Claim()
    assert claim.is_doubted
    claim.confirm("aa")
    await claim.wait_confirmed()
    assert (claim.is_doubted, claim.token) == (False, "aa")
    claim.doubt()
    assert claim.is_doubted
    claim.confirm("bb")
    assert (claim.is_doubted, claim.token) == (False, "bb")


async def test_windows_wait_until_the_agent_is_heard_and_go_with_its_claim(
    tmp_path: Path, make_windows: MakeWindows
) -> None:
    shown: list[str] = []
    arrived = asyncio.Event()

    async def take(request: web.Request) -> web.Response:
        shown.append(request.headers[CLAIM_HEADER])
        arrived.set()
        sequence = decode_chunk(await request.read()).sequence
        return web.json_response({"sequence": sequence, "duplicate": False})

    app = web.Application()
    app.router.add_post("/chunks", take)
    spooler = Spooler(tmp_path / "s", agent="a1", max_bytes=1 << 24, max_age_s=1e9)
    spooler.add(WINDOWS, make_windows(1, 2, start_s=1_700_000_000), 1)
    await spooler.flush()
    claim = Claim()
    async with TestServer(app) as server:
        session, url = open_session(str(server.make_url("/")))
        uplink = Uplink(session, f"{url}/chunks", spooler, Conditions(), claim)
        async with session, asyncio.TaskGroup() as group:
            running = group.create_task(uplink.run(), name="uplink")
            await uplink.drain()  # as at the end of an agent that was never heard
            assert shown == []
            claim.confirm("c1")
            await arrived.wait()
            running.cancel()
    assert shown == ["c1"]
    await asyncio.to_thread(spooler.close)
