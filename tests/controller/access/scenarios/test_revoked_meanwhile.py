"""A revocation that comes while an agent is being served, over TLS: nothing of it is survived."""

import asyncio
import pathlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import msgspec
import pytest

from agent.channel.link import open_session
from agent.identity.enrolment import enrol
from agent.identity.trust import Trust, new_request
from controller.access.credential_store import CredentialStore
from messages.enrolment import RenewalRequest, parse_enrolment_token
from messages.exchange import CHUNK_CONTENT_TYPE, SCHEMA_VERSION, Curtailed, Health, Hello

RENEWALS = 4


@pytest.fixture
def elsewhere(served: Any, tmp_path: pathlib.Path) -> Iterator[CredentialStore]:
    """The credential store as the command line has it: another process's connection."""
    credentials = CredentialStore(tmp_path / "life", served[0].clock)
    yield credentials
    credentials.close()


@pytest.fixture
async def agent(served: Any, tmp_path: pathlib.Path) -> AsyncIterator[Any]:
    """(trust, session, address) of an enrolled agent."""
    state, authority, url = served
    until_ns = state.clock.now_ns + 60 * 10**9
    text = state.access.create_enrolment_token("nanjing", authority.fingerprint, until_ns)
    trust = await enrol(url, parse_enrolment_token(text), tmp_path / "agent")
    session, base = open_session(url, trust.context())
    async with session:
        yield trust, session, f"{base}/api/v1/agents/nanjing"


def renewal_of(trust: Trust) -> bytes:
    _, request = new_request(trust.agent)
    return msgspec.json.encode(RenewalRequest(request=request))


async def test_an_agent_that_renews_in_a_loop_has_no_certificate_once_it_is_revoked(
    served: Any, agent: Any, elsewhere: CredentialStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every renewal is admitted before the revocation, and would be written down after it."""
    _, authority, _ = served
    trust, session, address = agent
    sign, let_in = authority.issue, []

    def issue(request_pem: str, name: str) -> Any:
        signed = sign(request_pem, name)
        let_in.append(name)
        if len(let_in) == RENEWALS:
            elsewhere.revoke_agent(name)
        return signed

    monkeypatch.setattr(authority, "issue", issue)

    async def renew() -> int:
        async with session.post(f"{address}/certificate", data=renewal_of(trust)) as answer:
            return int(answer.status)

    for _ in range(RENEWALS - 1):
        assert await renew() == 200
    assert await renew() == 401
    elsewhere.refresh()
    assert [one.serial for one in elsewhere.certificates("nanjing") if not one.revoked_ns] == []


async def test_a_chunk_whose_body_is_on_the_way_is_not_stored_once_its_agent_is_revoked(
    served: Any, agent: Any, elsewhere: CredentialStore, batch_of: Any, chunk_of: Any
) -> None:
    state, _, _ = served
    _, session, address = agent
    stream = state.distribution.plans["nanjing"].streams[0].stream_id
    body = chunk_of(batch_of([stream], state.clock.now_ns - 10**10), agent="nanjing", sequence=1)
    sent = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield body[:-1]
        await sent.wait()
        yield body[-1:]

    async def uploading() -> None:
        while not state.ingest.uploads._of_agent["nanjing"]:  # noqa: ASYNC110 (the server's side of it)
            await asyncio.sleep(0.01)
        elsewhere.revoke_agent("nanjing")
        sent.set()

    headers = {"Content-Type": CHUNK_CONTENT_TYPE}
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(uploading())
        async with session.post(f"{address}/chunks", data=slowly(), headers=headers) as answer:
            assert answer.status == 401
            assert (await answer.json())["error"]["code"] == "revoked_certificate"
    assert state.ingest.results["windows"] == 0


async def test_nothing_is_heard_on_an_open_channel_once_its_agent_is_revoked(
    served: Any, agent: Any, elsewhere: CredentialStore
) -> None:
    state, _, _ = served
    _, session, address = agent
    health = Health(version="1", boot="b0b0b0b0", started_ns=1, sent_ns=2)
    stream = state.distribution.plans["nanjing"].streams[0].stream_id
    said = {"stream_id": stream, "rule": "policy.ports", "action": "refused"}
    curtailed = msgspec.convert(
        {"type": "curtailed", "plan_version": 1, "streams": [said]}, Curtailed
    )
    async with asyncio.timeout(60), session.ws_connect(f"{address}/control") as socket:
        hello = Hello(schema=SCHEMA_VERSION, agent="nanjing", health=health)
        await socket.send_str(msgspec.json.encode(hello).decode())
        await socket.receive_str()
        elsewhere.revoke_agent("nanjing")
        await socket.send_str(msgspec.json.encode(curtailed).decode())
        assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    assert state.fleet.now().curtailment("nanjing", stream) is None
