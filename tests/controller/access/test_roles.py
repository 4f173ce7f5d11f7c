"""Who gets in: tokens by role, the owner's socket, and nobody without a credential."""

import pathlib
import sqlite3
from typing import Any

import pytest

from controller.access.credential_store import CredentialStore
from controller.access.credentials import CertificateRecord, CredentialError
from controller.access.roles import ROLES, Identity, permits
from controller.api.gate import agent_of
from controller.api.routes import ROUTES
from messages.enrolment import parse_enrolment_token

SECOND = 1_000_000_000
FINGERPRINT = "ab" * 32
OPEN = {"/healthz", "/readyz", "/api/v1/enrolment"}


@pytest.fixture
def credentials(tmp_path: pathlib.Path, clock: Any) -> Any:
    credentials = CredentialStore(tmp_path / "data", clock)
    yield credentials
    credentials.close()


def test_only_health_and_enrolment_are_open_to_anyone() -> None:
    assert {route.path for route in ROUTES if route.role == "anyone"} <= OPEN


@pytest.mark.parametrize("role", ROLES)
def test_roles_include_the_lower_ones(role: Any) -> None:
    who = Identity(kind="token", name="t", role=role)
    allowed = [access for access in ROLES if permits(who, access, None)]
    assert allowed == list(ROLES[: ROLES.index(role) + 1])
    assert not permits(who, "agent", "nanjing")


def test_agent_may_speak_for_itself_alone() -> None:
    agent = Identity(kind="agent", name="nanjing")
    assert permits(agent, "agent", "nanjing")
    assert not permits(agent, "agent", "suzhou")
    assert not any(permits(agent, access, None) for access in ROLES)


def test_certificate_of_a_server_or_of_two_agents_is_no_agent() -> None:
    uri = ("URI", "isochrone://agent/nanjing")
    base = {"serialNumber": "0AB1", "notAfter": "Jan  1 00:00:00 2030 GMT"}
    found = agent_of({**base, "subjectAltName": (uri,)})
    assert found is not None
    assert (found.name, found.credential) == ("nanjing", "ab1")
    assert agent_of({**base, "subjectAltName": (("DNS", "controller"),)}) is None
    assert agent_of({**base, "subjectAltName": (uri, uri)}) is None
    assert agent_of(base) is None


def test_another_process_is_heard(
    credentials: CredentialStore, tmp_path: pathlib.Path, clock: Any
) -> None:
    other = CredentialStore(tmp_path / "data", clock)
    assert not credentials.refresh()
    token = other.create_api_token("viewer", "x", None)
    assert credentials.identity_of_token(token).role == "viewer"
    other.revoke_token(token.split(".")[1])
    assert credentials.refresh()
    assert not credentials.refresh()
    other.close()


def test_secrets_are_not_in_the_file_and_the_file_is_the_owners(
    credentials: CredentialStore, tmp_path: pathlib.Path
) -> None:
    tokens = [
        credentials.create_api_token("admin", "x", None),
        credentials.create_enrolment_token("nanjing", FINGERPRINT, 1 << 62),
    ]
    keys = tmp_path / "data" / "keys"
    held = b"".join(path.read_bytes() for path in keys.iterdir())
    for token in tokens:
        assert token.split(".")[2].encode() not in held
    assert keys.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in keys.iterdir()} == {0o600}


def test_enrolment_token_is_used_once(credentials: CredentialStore, clock: Any) -> None:
    text = credentials.create_enrolment_token("nanjing", FINGERPRINT, clock.now_ns + SECOND)
    token = parse_enrolment_token(f" {text}\n")
    assert token.fingerprint == FINGERPRINT
    assert token.secret not in repr(token)
    record = credentials.enrolling(token)
    assert record.agent == "nanjing"
    credentials.enrol(record.id, certificate("1", clock))
    with pytest.raises(CredentialError, match="used"):
        credentials.enrolling(token)
    with pytest.raises(CredentialError, match="used"):
        credentials.enrol(record.id, certificate("2", clock))
    assert [each.serial for each in credentials.certificates("nanjing")] == ["1"]


def test_api_token_enrols_nobody_and_enrolment_token_opens_nothing(
    credentials: CredentialStore, clock: Any
) -> None:
    enrolment = credentials.create_enrolment_token("nanjing", FINGERPRINT, clock.now_ns + SECOND)
    api = credentials.create_api_token("admin", "x", None)
    _, token_id, secret = api.split(".")
    with pytest.raises(CredentialError):
        credentials.identity_of_token(enrolment)
    _, enrol_id, enrol_secret, *_ = enrolment.split(".")
    with pytest.raises(CredentialError):
        credentials.identity_of_token(f"isoa.{enrol_id}.{enrol_secret}")
    with pytest.raises(CredentialError):
        credentials.enrolling(
            parse_enrolment_token(f"isoe.{token_id}.{secret}.{FINGERPRINT}.nanjing")
        )


def test_revoked_agent_comes_back_only_with_a_new_certificate(
    credentials: CredentialStore, clock: Any
) -> None:
    credentials.renewed(certificate("1", clock), Identity(kind="owner", name="test", role="admin"))
    credentials.check(holder("1"))
    credentials.check(holder("forgotten"))  # signed by us, but the book was restored from a backup
    assert credentials.revoke_agent("nanjing") == 1
    for serial in ("1", "forgotten"):
        with pytest.raises(CredentialError, match="revoked"):
            credentials.check(holder(serial))
    token = credentials.create_enrolment_token("nanjing", FINGERPRINT, clock.now_ns + SECOND)
    credentials.enrol(token.split(".")[1], certificate("2", clock))
    credentials.check(holder("2"))
    with pytest.raises(CredentialError, match="revoked"):
        credentials.check(holder("1"))


def test_revoking_an_agent_ends_its_unused_enrolment_tokens(
    credentials: CredentialStore, clock: Any
) -> None:
    text = credentials.create_enrolment_token("nanjing", FINGERPRINT, clock.now_ns + SECOND)
    credentials.revoke_agent("nanjing")
    with pytest.raises(CredentialError, match="revoked"):
        credentials.enrolling(parse_enrolment_token(text))


def test_expired_certificate_is_told_apart(credentials: CredentialStore, clock: Any) -> None:
    who = Identity(kind="agent", name="nanjing", credential="1", expires_ns=clock.now_ns)
    with pytest.raises(CredentialError, match="expired"):
        credentials.check(who)


def test_audit_log_is_only_added_to(credentials: CredentialStore, tmp_path: pathlib.Path) -> None:
    for number in range(3):
        credentials.audit(actor="me", action="try", subject=str(number))
    found = credentials.audited(before_id=3, from_ns=0, to_ns=1 << 62, limit=10)
    assert [entry.subject for entry in found] == ["1", "0"]
    reader = sqlite3.connect(tmp_path / "data" / "keys" / "access.sqlite3")
    assert reader.execute("SELECT count(*) FROM audit").fetchone() == (3,)
    reader.close()


def certificate(serial: str, clock: Any) -> CertificateRecord:
    return CertificateRecord(
        serial=serial, agent="nanjing", issued_ns=clock.now_ns, expires_ns=clock.now_ns + 1
    )


def holder(serial: str) -> Identity:
    return Identity(kind="agent", name="nanjing", credential=serial)
