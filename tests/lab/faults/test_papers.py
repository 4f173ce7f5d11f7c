"""Forged papers look like true ones, but for who issued them and when."""

import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from agent.identity.trust import load_trust, new_request, save_trust
from controller.access.certificate_authority import load_authority
from foundation.clock import SystemClock
from foundation.errors import ConfigError
from lab.faults.papers import new_plan_key, replace_certificate, tls_of
from lab.fleet.owner_commands import create_authority
from messages.enrolment import CertificateDocument


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give the state directory of an agent that was enrolled."""
    create_authority(tmp_path / "data", "127.0.0.1")
    authority = load_authority(tmp_path / "data", SystemClock())
    key, request = new_request("nanjing")
    given = CertificateDocument(
        agent="nanjing",
        certificate=authority.issue(request, "nanjing")[0],
        authority=authority.pem,
        plan_key=authority.plan_public_key,
    )
    (tmp_path / "state").mkdir()
    save_trust(tmp_path / "state", key, given)
    return tmp_path / "state"


def certificate(state: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((state / "trust" / "agent.pem").read_bytes())


def authority(keys: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((keys / "authority.pem").read_bytes())


def test_a_certificate_of_long_ago_says_the_same_and_has_ended(state: Path) -> None:
    before, keys = certificate(state), state.parent / "data" / "keys"
    replace_certificate(state / "trust", keys, dt.timedelta(days=200))
    after = certificate(state)
    after.verify_directly_issued_by(authority(keys))
    assert after.not_valid_after_utc == before.not_valid_after_utc - dt.timedelta(days=200)
    assert after.not_valid_after_utc < dt.datetime.now(dt.UTC)
    assert (after.subject, after.public_key()) == (before.subject, before.public_key())
    assert {each.oid for each in after.extensions} == {each.oid for each in before.extensions}
    load_trust(state, "nanjing")  # the agent itself finds nothing odd


def test_a_certificate_of_another_authority_is_not_of_the_one_that_is_trusted(
    state: Path, tmp_path: Path
) -> None:
    create_authority(tmp_path / "other", "127.0.0.1")
    trusted = (state / "trust" / "authority.pem").read_bytes()
    replace_certificate(state / "trust", tmp_path / "other" / "keys", dt.timedelta())
    certificate(state).verify_directly_issued_by(authority(tmp_path / "other" / "keys"))
    with pytest.raises(InvalidSignature):
        certificate(state).verify_directly_issued_by(authority(tmp_path / "data" / "keys"))
    assert (state / "trust" / "authority.pem").read_bytes() == trusted
    assert isinstance(tls_of(state / "trust"), ssl.SSLContext)  # key and certificate fit


def test_a_new_plan_key_is_one_that_the_controller_takes_for_its_own(state: Path) -> None:
    data = state.parent / "data"
    before = load_authority(data, SystemClock()).plan_public_key
    (data / "keys" / "plan.key").write_bytes(new_plan_key())
    assert load_authority(data, SystemClock()).plan_public_key != before
    (data / "keys" / "plan.key").write_bytes(b"no key")
    with pytest.raises(ConfigError):
        load_authority(data, SystemClock())
