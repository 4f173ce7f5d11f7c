"""What a credential may not survive, and what no single one may take."""

import asyncio
import contextlib
import json
import pathlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from controller.access.credential_store import KEPT_CERTIFICATES, CredentialStore
from controller.access.credentials import RENEWALS, CertificateRecord, CredentialError
from controller.access.roles import Identity
from controller.api.event_stream import MAX_OF_ONE
from controller.api.gate import REFUSALS_TOLD
from messages.enrolment import parse_enrolment_token

SECOND = 1_000_000_000
FINGERPRINT = "ab" * 32
EVENTS = "http://controller/api/v1/events"


@pytest.fixture
def credentials(tmp_path: pathlib.Path, clock: Any) -> Iterator[CredentialStore]:
    credentials = CredentialStore(tmp_path / "data", clock)
    yield credentials
    credentials.close()


def certificate(serial: str, clock: Any) -> CertificateRecord:
    return CertificateRecord(
        serial=serial, agent="nanjing", issued_ns=clock.now_ns, expires_ns=clock.now_ns + SECOND
    )


def holder(serial: str) -> Identity:
    return Identity(kind="agent", name="nanjing", credential=serial)


def held_by(controller: Any) -> set[str]:
    """Return the credentials that were admitted."""
    return {one.credential for one in controller.services.gate._open.values()}


def enrolled(credentials: CredentialStore, clock: Any, serial: str) -> None:
    token = credentials.create_enrolment_token("nanjing", FINGERPRINT, clock.now_ns + SECOND)
    credentials.enrol(parse_enrolment_token(token).id, certificate(serial, clock))


def test_renewal_that_was_let_in_before_a_revocation_issues_nothing_after_it(
    credentials: CredentialStore, clock: Any, tmp_path: pathlib.Path
) -> None:
    enrolled(credentials, clock, "1")
    credentials.check(holder("1"))  # let in
    other = CredentialStore(tmp_path / "data", clock)  # isochrone controller revoke
    other.revoke_agent("nanjing")
    other.close()
    with pytest.raises(CredentialError, match="revoked"):
        credentials.renewed(certificate("2", clock), holder("1"))
    assert [one.serial for one in credentials.certificates("nanjing")] == ["1"]


def test_enrolment_that_was_let_in_before_its_token_was_revoked_issues_nothing_after_it(
    credentials: CredentialStore, clock: Any, tmp_path: pathlib.Path
) -> None:
    text = credentials.create_enrolment_token("nanjing", FINGERPRINT, clock.now_ns + SECOND)
    token = parse_enrolment_token(text)
    credentials.enrolling(token)  # let in
    other = CredentialStore(tmp_path / "data", clock)
    other.revoke_agent("nanjing")
    other.close()
    with pytest.raises(CredentialError, match="revoked"):
        credentials.enrol(token.id, certificate("1", clock))
    assert credentials.certificates("nanjing") == []


def test_certificate_of_before_an_enrolment_renews_nothing(
    credentials: CredentialStore, clock: Any
) -> None:
    enrolled(credentials, clock, "1")
    enrolled(credentials, clock, "2")
    with pytest.raises(CredentialError, match="revoked"):
        credentials.renewed(certificate("3", clock), holder("1"))
    credentials.renewed(certificate("3", clock), holder("2"))


def test_check_sees_at_once_what_another_process_revoked(
    credentials: CredentialStore, clock: Any, tmp_path: pathlib.Path
) -> None:
    enrolled(credentials, clock, "1")
    other = CredentialStore(tmp_path / "data", clock)
    other.revoke_agent("nanjing")
    other.close()
    with pytest.raises(CredentialError, match="revoked"):
        credentials.check(holder("1"))


def test_certificates_are_renewed_a_few_times_an_hour_and_few_are_kept(
    credentials: CredentialStore, clock: Any
) -> None:
    enrolled(credentials, clock, "1")
    for number in range(2, RENEWALS + 1):
        credentials.renewed(certificate(str(number), clock), holder("1"))
    with pytest.raises(CredentialError) as refused:
        credentials.renewed(certificate("more", clock), holder("1"))
    assert (refused.value.code, refused.value.retry_after_s) == ("too_many_renewals", 3601)
    for number in range(KEPT_CERTIFICATES + 10):
        clock.now_ns += 3_601 * SECOND
        latest = credentials.certificates("nanjing")[-1].serial
        credentials.renewed(certificate(f"later{number}", clock), holder(latest))
    assert len(credentials.certificates("nanjing")) <= KEPT_CERTIFICATES


async def test_one_credential_cannot_take_the_event_stream_of_the_others(controller: Any) -> None:
    async with contextlib.AsyncExitStack() as opened:
        tries = (controller.session.ws_connect(EVENTS) for _ in range(2 * MAX_OF_ONE))
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        refused = [one for one in outcomes if isinstance(one, aiohttp.WSServerHandshakeError)]
        for one in outcomes:
            if isinstance(one, aiohttp.ClientWebSocketResponse):
                opened.push_async_callback(one.close)
        assert [one.status for one in refused] == [429] * MAX_OF_ONE
        token = controller.services.access.create_api_token("viewer", "other", None)
        headers = {"Authorization": f"Bearer {token}"}
        async with controller.session.ws_connect(EVENTS, headers=headers) as other:
            assert (await other.receive()).type is aiohttp.WSMsgType.TEXT


async def test_viewer_cannot_fill_the_audit_log_with_what_it_may_not_do(
    controller: Any, clock: Any
) -> None:
    token = controller.services.access.create_api_token("viewer", "curious", None)
    headers = {"Authorization": f"Bearer {token}"}
    address = "http://controller/api/v1/maintenance?why=" + "x" * 4_000
    for _ in range(REFUSALS_TOLD + 10):
        async with controller.session.post(address, headers=headers) as answer:
            assert answer.status == 403
    now_ns = clock.now_ns + SECOND
    rows = controller.services.access.audited(
        before_id=1 << 62, from_ns=0, to_ns=now_ns, limit=1_000
    )
    told = [row for row in rows if "curious" in row.actor]
    assert len(told) == REFUSALS_TOLD
    assert max(len(row.subject) for row in told) <= 501
    assert controller.services.gate.refused["forbidden"] == REFUSALS_TOLD + 10


@pytest.mark.parametrize(
    ("route", "role", "asked"),
    [
        ("maintenance", "operator", {"sites": ["nanjing"], "reason": "x"}),
        ("baselines", "operator", {"name": "a", "from_ns": 0, "to_ns": 1}),
        ("campaign-load", "admin", {}),
    ],
)
async def test_change_whose_token_ends_while_its_body_comes_is_not_made(
    controller: Any, clock: Any, route: str, role: str, asked: dict[str, Any]
) -> None:
    access = controller.services.access
    token = access.create_api_token(role, "ending", None)
    if route == "maintenance":
        asked["to_ns"] = clock.now_ns + 3_600 * SECOND
    whole = json.dumps(asked).encode()

    async def body() -> AsyncIterator[bytes]:
        yield whole[:1]
        await revoked.wait()
        yield whole[1:]

    async def ask() -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        async with controller.session.post(
            f"http://controller/api/v1/{route}", data=body(), headers=headers
        ) as answer:
            return answer.status, (await answer.json())["error"]["code"]

    revoked = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(ask(), name="ask")
        (mine,) = [one.id for one in access.tokens() if one.label == "ending"]
        async with asyncio.timeout(60):
            while mine not in held_by(controller):  # noqa: ASYNC110 -- nobody sets an event
                await asyncio.sleep(0)  # until it is admitted
        access.revoke_token(mine)
        revoked.set()
    assert asking.result() == (401, "revoked_token")
    assert controller.services.store.event_log.maintenance() == []
