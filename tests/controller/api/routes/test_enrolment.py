"""An agent enrols, renews and is refused, against a real controller over TLS."""

import contextlib
import logging
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web

from agent.channel.link import open_session, unreachable
from agent.conditions import Conditions
from agent.identity.credentials import Credentials
from agent.identity.enrolment import enrol
from agent.identity.trust import Trust, load_trust, new_request, save_trust
from controller.access.certificate_authority import Authority
from controller.access.credential_store import CredentialStore
from controller.access.roles import Identity
from foundation.clock import SystemClock
from foundation.errors import ConfigError, ResourceError
from messages.enrolment import CertificateDocument, EnrolmentToken, parse_enrolment_token


class Shifted:
    """The system's clock, moved."""

    def __init__(self) -> None:
        self.by_ns = 0

    def wall_ns(self) -> int:
        return SystemClock().wall_ns() + self.by_ns

    def monotonic_ns(self) -> int:
        return SystemClock().monotonic_ns()


def token_for(state: Any, authority: Any, agent: str = "nanjing") -> EnrolmentToken:
    until_ns = state.clock.now_ns + 60 * 10**9
    text = state.access.create_enrolment_token(agent, authority.fingerprint, until_ns)
    return parse_enrolment_token(text)


@contextlib.asynccontextmanager
async def speaking(trust: Trust, url: str) -> AsyncIterator[tuple[Credentials, Any, str]]:
    credentials = Credentials(trust)
    session, base = open_session(url, credentials.context)
    async with session:
        yield credentials, session, f"{base}/api/v1/agents/{trust.agent}"


async def status_of(trust: Trust, url: str) -> int:
    async with (
        speaking(trust, url) as (_, session, base),
        session.post(f"{base}/chunks") as answer,
    ):
        return int(answer.status)


async def test_enrolled_agent_is_let_in_and_the_token_is_used_up(
    served: Any, tmp_path: pathlib.Path
) -> None:
    state, authority, url = served
    token = token_for(state, authority)
    trust = await enrol(url, token, tmp_path)
    assert trust.agent == "nanjing"
    assert trust.plan_key == authority.plan_public_key
    assert await status_of(trust, url) == 415  # let in; it was no chunk
    with pytest.raises(ResourceError, match="is used"):
        await enrol(url, token, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    newest = state.access.audited(before_id=1 << 62, from_ns=0, to_ns=1 << 62, limit=1)[0]
    assert (newest.action, newest.subject) == ("enrol", "nanjing")
    assert newest.actor == f"enrolment token {token.id}"


async def test_second_enrolment_ends_the_first(served: Any, tmp_path: pathlib.Path) -> None:
    state, authority, url = served
    first = await enrol(url, token_for(state, authority), tmp_path / "a")
    second = await enrol(url, token_for(state, authority), tmp_path / "b")
    assert await status_of(first, url) == 401
    assert await status_of(second, url) == 415


async def test_agent_that_no_site_has_is_not_enrolled_and_keeps_its_token(
    served: Any, tmp_path: pathlib.Path
) -> None:
    state, authority, url = served
    token = token_for(state, authority, "nobody")
    with pytest.raises(ResourceError, match="No site named nobody"):
        await enrol(url, token, tmp_path)
    state.access.enrolling(token)


async def test_token_is_not_shown_to_another_authority(tmp_path: pathlib.Path) -> None:
    """Someone in between, with a certificate that is fine in itself, sees no token."""
    bodies: list[str] = []
    authority = trustme.CA()

    async def answer(request: web.Request) -> web.Response:
        bodies.append(await request.text())
        return web.json_response({"authority": authority.cert_pem.bytes().decode()})

    app = web.Application()
    app.router.add_route("*", "/api/v1/enrolment", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    import ssl

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    token = EnrolmentToken("00000000", "x" * 43, "ab" * 32, "nanjing")
    with pytest.raises(ConfigError, match="was not sent") as raised:
        await enrol(url, token, tmp_path)
    assert "令牌未发送" in raised.value.text.zh
    assert bodies == [""]  # of the GET
    await runner.cleanup()


async def test_certificate_is_renewed_with_a_new_key_in_its_last_third(
    served: Any, tmp_path: pathlib.Path
) -> None:
    state, authority, url = served
    trust = await enrol(url, token_for(state, authority), tmp_path)
    before = (trust.directory / "agent.pem").read_bytes()
    clock, conditions = Shifted(), Conditions()
    async with speaking(trust, url) as (credentials, session, base):
        renewal = credentials.renewal(session, f"{base}/certificate", conditions, clock)
        assert await renewal.look() > 1
        assert (trust.directory / "agent.pem").read_bytes() == before
        clock.by_ns = 61 * 86_400 * 10**9
        await renewal.look()
        assert conditions.current() == ()
        after = (trust.directory / "agent.pem").read_bytes()
        assert after.split(b"BEGIN CERT")[0] != before.split(b"BEGIN CERT")[0]
        assert len(state.access.certificates("nanjing")) == 2
        await renewal.look()  # by this clock the new one is old, too
        assert len(state.access.certificates("nanjing")) == 2
    assert await status_of(load_trust(tmp_path, "nanjing"), url) == 415
    assert await status_of(trust, url) == 415  # both are good: a crash in between loses nothing


async def test_renewal_that_fails_is_told_and_tried_again(
    served: Any, tmp_path: pathlib.Path
) -> None:
    state, authority, url = served
    trust = await enrol(url, token_for(state, authority), tmp_path)
    state.access.revoke_agent("nanjing")
    clock, conditions = Shifted(), Conditions()
    clock.by_ns = 61 * 86_400 * 10**9
    async with speaking(trust, url) as (credentials, session, base):
        renewal = credentials.renewal(session, f"{base}/certificate", conditions, clock)
        assert 1 <= await renewal.look() <= 3600
        (condition,) = conditions.current()
        assert (condition.code, condition.severity) == ("certificate", "warning")
        assert "revoked" in condition.text.en
        # Enrolled again beside the running agent: it takes the new certificate over by itself.
        await enrol(url, token_for(state, authority), tmp_path)
        clock.by_ns = 0
        await renewal.look()
        assert conditions.current() == ()
        async with session.post(f"{base}/chunks") as answer:
            assert answer.status == 415


async def test_expired_certificate_is_one_clear_sentence(
    served: Any, tmp_path: pathlib.Path
) -> None:
    state, authority, url = served
    trust = expired(state, authority, tmp_path)
    conditions = Conditions()
    async with speaking(trust, url) as (credentials, session, base):
        renewal = credentials.renewal(session, f"{base}/certificate", conditions, SystemClock())
        await renewal.look()
        (condition,) = conditions.current()
        assert "has expired" in condition.text.en
        assert "已过期" in condition.text.zh
        with pytest.raises((aiohttp.ClientError, OSError)) as raised:
            await session.post(f"{base}/chunks")
        said = unreachable(url, raised.value)
        assert "continues to measure" in said.en


def expired(state: Any, authority: Any, state_dir: pathlib.Path) -> Trust:
    key, request = new_request("nanjing")
    long_ago = Shifted()
    long_ago.by_ns = -100 * 86_400 * 10**9
    pem, record = Authority(authority.file.parent, long_ago).issue(request, "nanjing")
    state.access.renewed(record, Identity(kind="owner", name="test", role="admin"))
    given = CertificateDocument(
        agent="nanjing",
        certificate=pem,
        authority=authority.pem,
        plan_key=authority.plan_public_key,
    )
    return save_trust(state_dir, key, given)


async def test_controller_of_another_authority_is_one_clear_sentence(
    served: Any, tmp_path: pathlib.Path
) -> None:
    state, authority, url = served
    trust = await enrol(url, token_for(state, authority), tmp_path)
    (trust.directory / "authority.pem").write_bytes(trustme.CA().cert_pem.bytes())
    async with speaking(trust, url) as (_, session, base):
        with pytest.raises(aiohttp.ClientConnectorCertificateError) as raised:
            await session.post(f"{base}/chunks")
    said = unreachable(url, raised.value)
    assert "is not from the authority this agent was enrolled with" in said.en
    assert "并非由注册时的颁发机构签发" in said.zh


async def test_rubbish_sent_by_strangers_is_refused_and_repeated_nowhere(
    served: Any, caplog: pytest.LogCaptureFixture
) -> None:
    _, authority, url = served
    import ssl

    context = ssl.create_default_context(cafile=str(authority.file))
    connector = aiohttp.TCPConnector(ssl=context)
    secret = "s3cret-not-to-be-repeated"
    with caplog.at_level(logging.DEBUG):
        async with aiohttp.ClientSession(url, connector=connector) as session:
            for body, status in (
                (secret.encode(), 400),
                (f'{{"token": "{secret}", "request": ""}}'.encode(), 401),
                (f'{{"token": 5, "x": "{secret}"}}'.encode(), 400),
                (b"x" * 20_000, 413),
            ):
                async with session.post("/api/v1/enrolment", data=body) as answer:
                    assert answer.status == status
                    assert secret not in await answer.text()
    assert secret not in caplog.text


async def test_token_of_a_running_enrolment_is_in_no_log(
    served: Any, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    state, authority, url = served
    token = token_for(state, authority)
    with caplog.at_level(logging.DEBUG):
        await enrol(url, token, tmp_path)
        with pytest.raises(ResourceError) as raised:
            await enrol(url, token, tmp_path)
    assert token.secret not in caplog.text + str(raised.value) + repr(raised.value.fields)


def test_book_of_another_process_lets_a_new_token_in(tmp_path: pathlib.Path, clock: Any) -> None:
    running, command = CredentialStore(tmp_path, clock), CredentialStore(tmp_path, clock)
    text = command.create_enrolment_token("nanjing", "ab" * 32, clock.now_ns + 1)
    assert running.enrolling(parse_enrolment_token(text)).agent == "nanjing"
    running.close()
    command.close()
