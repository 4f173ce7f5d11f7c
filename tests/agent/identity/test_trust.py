"""What an enrolled agent keeps of its identity."""

import datetime as dt
import os
from pathlib import Path

import msgspec
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from agent.identity.trust import load_trust, new_request, save_trust
from foundation.errors import ConfigError
from messages.enrolment import CertificateDocument

PUBLIC = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def given(request: str, **changes: str) -> CertificateDocument:
    """Sign a request as a controller would, by an authority made here."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nanjing")])
    asked = x509.load_pem_x509_csr(request.encode()).public_key()

    def made(subject: x509.Name, public: object) -> x509.Certificate:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
        builder = builder.public_key(public).serial_number(x509.random_serial_number())  # type: ignore[arg-type]  # a public key
        builder = builder.not_valid_before(now).not_valid_after(now + dt.timedelta(days=90))
        return builder.sign(key, hashes.SHA256())

    document = CertificateDocument(
        agent="nanjing",
        certificate=pem(made(name, asked)),
        authority=pem(made(issuer, key.public_key())),
        plan_key=PUBLIC,
    )
    return msgspec.structs.replace(document, **changes)


def test_what_was_given_is_kept_for_its_owner_alone_and_read_back(tmp_path: Path) -> None:
    key, request = new_request("nanjing")
    kept = save_trust(tmp_path, key, given(request))
    assert kept == load_trust(tmp_path, "nanjing")
    assert kept.plan_key == PUBLIC
    assert {path.stat().st_mode & 0o777 for path in kept.directory.iterdir()} == {0o600}
    assert kept.directory.stat().st_mode & 0o777 == 0o700
    life_ns = kept.expires_ns - kept.issued_ns
    assert kept.expires_ns - kept.renew_at_ns == life_ns // 3


@pytest.mark.parametrize(
    "changes",
    [
        {"authority": pem(x509.load_pem_x509_certificate(trustme.CA().cert_pem.bytes()))},
        {"certificate": "rubbish"},
        {"plan_key": "ab"},
        {"plan_key": "xyz"},
    ],
)
def test_what_does_not_fit_together_is_not_kept(tmp_path: Path, changes: dict[str, str]) -> None:
    key, request = new_request("nanjing")
    with pytest.raises(ConfigError, match="does not fit"):
        save_trust(tmp_path, key, given(request, **changes))
    assert not list(tmp_path.iterdir())


def test_certificate_of_another_key_is_not_kept(tmp_path: Path) -> None:
    key, _ = new_request("nanjing")
    _, request = new_request("nanjing")
    with pytest.raises(ConfigError, match="does not fit"):
        save_trust(tmp_path, key, given(request))


def test_agent_that_is_not_enrolled_is_told_how(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="agent enrol") as raised:
        load_trust(tmp_path, "nanjing")
    assert "注册" in raised.value.text.zh


@pytest.mark.parametrize("name", ["agent.pem", "authority.pem", "plan.pub"])
@pytest.mark.parametrize("how", ["pipe", "directory", "rubbish"])
def test_papers_that_are_no_files_or_no_papers_are_told_and_wait_for_nobody(
    tmp_path: Path, name: str, how: str
) -> None:
    key, request = new_request("nanjing")
    place = save_trust(tmp_path, key, given(request)).directory / name
    place.unlink()
    {
        "pipe": os.mkfifo,
        "directory": Path.mkdir,
        "rubbish": lambda path: path.write_bytes(bytes(range(256))),
    }[how](place)
    with pytest.raises(ConfigError, match=r"cannot be used.*enrol") as told:
        load_trust(tmp_path, "nanjing")
    assert "http" not in told.value.text.zh
    assert "Errno" not in told.value.text.en


def test_certificate_of_another_agent_is_not_ours(tmp_path: Path) -> None:
    key, request = new_request("nanjing")
    save_trust(tmp_path, key, given(request))
    with pytest.raises(ConfigError, match="suzhou"):
        load_trust(tmp_path, "suzhou")
