"""`agent renew` against a real controller, beside others who read and write the same files."""

from __future__ import annotations

import asyncio
import os
import pathlib
import ssl
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import msgspec
import pytest

from agent.channel.link import open_session
from agent.conditions import Conditions
from agent.config import AgentConfig, load_config
from agent.identity.credentials import Credentials, renew_now
from agent.identity.trust import load_trust, new_request, save_trust
from controller.access.certificate_authority import Authority
from controller.access.credential_store import CredentialStore
from controller.access.credentials import RENEWALS
from foundation.clock import SystemClock
from foundation.errors import ConfigError, ResourceError
from messages.enrolment import CertificateDocument, RenewalRequest
from messages.exchange import SCHEMA_VERSION, Health, HealthReport, Hello
from tests.controller.scenarios.enrolled_agent import enrolled


async def configured(served: Any, tmp_path: pathlib.Path) -> AgentConfig:
    return load_config(await enrolled(served, tmp_path))


def pem(config: AgentConfig) -> bytes:
    return (pathlib.Path(config.state_dir) / "trust" / "agent.pem").read_bytes()


async def test_renewed_at_once_with_a_new_key_and_taken_up_by_the_running_agent(
    served: Any, tmp_path: pathlib.Path
) -> None:
    config = await configured(served, tmp_path)
    before, conditions = pem(config), Conditions()
    credentials = Credentials(load_trust(tmp_path / "state", "nanjing"))
    session, base = open_session(config.controller, credentials.context)
    url = f"{base}/api/v1/agents/nanjing"
    async with session:
        running = credentials.renewal(session, f"{url}/certificate", conditions, SystemClock())
        await running.look()
        issued_ns = credentials.trust.issued_ns
        trust = await renew_now(config)
        assert pem(config).split(b"BEGIN CERT")[0] != before.split(b"BEGIN CERT")[0]
        await running.look()
        assert credentials.trust == trust
        assert trust.issued_ns >= issued_ns
        async with session.post(f"{url}/chunks") as answer:
            assert answer.status == 415  # let in; it was no chunk
    assert conditions.current() == ()


async def test_revoked_agent_is_told_so_and_keeps_what_it_had(
    served: Any, tmp_path: pathlib.Path
) -> None:
    config = await configured(served, tmp_path)
    before = pem(config)
    served[0].access.revoke_agent("nanjing")
    with pytest.raises(ResourceError, match=r"not renewed.*revoked") as raised:
        await renew_now(config)
    assert "吊销" in raised.value.text.zh
    assert pem(config) == before


async def test_renewals_in_a_row_end_with_how_long_to_wait(
    served: Any, tmp_path: pathlib.Path
) -> None:
    config = await configured(served, tmp_path)
    for _ in range(RENEWALS - 1):  # with the one of the enrolment
        await renew_now(config)
    with pytest.raises(ResourceError, match="renew again in"):
        await renew_now(config)


async def test_agent_on_the_owners_socket_has_nothing_to_renew(tmp_path: pathlib.Path) -> None:
    config = AgentConfig(name="a", controller="unix:/x", state_dir=str(tmp_path))
    with pytest.raises(ConfigError, match="has no certificate"):
        await renew_now(config)


@pytest.mark.parametrize(("language", "words"), [("en", "new key"), ("zh", "已更换密钥")])
async def test_command_says_what_it_did(
    served: Any, tmp_path: pathlib.Path, language: str, words: str
) -> None:
    await configured(served, tmp_path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "isochrone", "agent", "renew"),
        *("--config", str(tmp_path / "agent.toml")),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "ISOCHRONE_LANG": language, "PYTHONUTF8": "1"},
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert words in out.decode()


async def test_whoever_reads_while_two_write_finds_a_key_and_its_certificate(
    served: Any, tmp_path: pathlib.Path
) -> None:
    config = await configured(served, tmp_path)
    authority: Authority = served[1]
    state_dir = pathlib.Path(config.state_dir)
    given = []
    for _ in range(2):
        key, request = new_request("nanjing")
        certificate, _ = authority.issue(request, "nanjing")
        document = CertificateDocument(
            agent="nanjing",
            certificate=certificate,
            authority=authority.pem,
            plan_key=authority.plan_public_key,
        )
        given.append((key, document))
    done = threading.Event()

    def write(pair: tuple[bytes, CertificateDocument]) -> None:
        try:
            for _ in range(60):
                save_trust(state_dir, *pair)
        finally:
            done.set()

    def read() -> int:
        rounds = 0
        while not done.is_set() or not rounds:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            load_trust(state_dir, "nanjing").load_into(context)
            rounds += 1
        return rounds

    with ThreadPoolExecutor(4) as threads:
        reading = [threads.submit(read) for _ in range(2)]
        writing = [threads.submit(write, pair) for pair in given]
        for one in writing:
            one.result()
        assert all(one.result() for one in reading)


async def test_no_certificate_is_made_by_a_clock_that_is_doubted(
    served: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate of a clock 20 days ahead would be good in 20 days alone."""
    config = await configured(served, tmp_path)
    before, clock = pem(config), served[0].clock
    running_ns = clock.monotonic_ns()
    monkeypatch.setattr(clock, "monotonic_ns", lambda: running_ns, raising=False)
    clock.now_ns += 20 * 86_400 * 10**9
    with pytest.raises(ResourceError, match="clock cannot be trusted") as raised:
        await renew_now(config)
    assert "时钟" in raised.value.text.zh
    assert pem(config) == before
    clock.now_ns -= 20 * 86_400 * 10**9
    with pytest.raises(ResourceError, match="clock cannot be trusted"):
        await renew_now(config)  # it was set a moment ago
    running_ns += 601 * 10**9
    clock.now_ns += 601 * 10**9
    await renew_now(config)
    assert pem(config) != before


async def test_agent_revoked_while_its_request_is_on_the_way_gets_no_certificate(
    served: Any, tmp_path: pathlib.Path
) -> None:
    config = await configured(served, tmp_path)
    state = served[0]
    credentials = Credentials(load_trust(tmp_path / "state", "nanjing"))
    session, base = open_session(config.controller, credentials.context)
    _, request = new_request("nanjing")
    body = msgspec.json.encode(RenewalRequest(request=request))

    async def slowly() -> AsyncIterator[bytes]:
        yield body[:10]
        other = CredentialStore(tmp_path / "life", state.clock)  # isochrone controller revoke
        other.revoke_agent("nanjing")
        other.close()
        yield body[10:]

    async with session:
        url = f"{base}/api/v1/agents/nanjing/certificate"
        async with session.post(url, data=slowly()) as answer:
            assert answer.status == 401
    assert len(state.access.certificates("nanjing")) == 1


async def test_agent_revoked_by_another_process_is_pushed_no_plan_any_more(
    served: Any, tmp_path: pathlib.Path
) -> None:
    config = await configured(served, tmp_path)
    state = served[0]
    credentials = Credentials(load_trust(tmp_path / "state", "nanjing"))
    session, base = open_session(config.controller, credentials.context)
    health = Health(version="0", boot="b0b0b0b0", started_ns=1, sent_ns=2)
    hello = Hello(schema=SCHEMA_VERSION, agent="nanjing", health=health)
    async with session, session.ws_connect(f"{base}/api/v1/agents/nanjing/control") as socket:
        await socket.send_str(msgspec.json.encode(hello).decode())
        assert (await socket.receive()).type is aiohttp.WSMsgType.TEXT
        other = CredentialStore(tmp_path / "life", state.clock)
        other.revoke_agent("nanjing")
        other.close()
        await state.distribution.push(["nanjing"])
        await socket.send_str(msgspec.json.encode(HealthReport(health=health)).decode())
        assert (await socket.receive()).type is not aiohttp.WSMsgType.TEXT
