"""X.509 as this controller makes it: an authority, its server, its agents."""

import ssl
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from controller.access.certificate_authority import AGENT_LIFETIME, Authority
from controller.access.certificates import certified_host, certified_hosts, new_key
from foundation.errors import RemoteProtocolError, UsageError
from tests.controller.access.test_certificate_authority import DAY_NS, signing_request


def test_certificate_names_the_agent_whatever_was_asked(authority: Authority, clock: Any) -> None:
    key = new_key()
    pem, record = authority.issue(signing_request(key, name="suzhou"), "nanjing")
    made = x509.load_pem_x509_certificate(pem.encode())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
        "isochrone://agent/nanjing"
    ]
    assert made.public_key() == key.public_key()
    made.verify_directly_issued_by(authority.certificate)
    assert record.serial == f"{made.serial_number:x}"
    assert record.expires_ns == clock.now_ns + AGENT_LIFETIME.days * DAY_NS
    basic = made.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert not basic.ca


@pytest.mark.parametrize("rubbish", ["", "x", "证", "-----BEGIN CERTIFICATE REQUEST-----\nAA==\n"])
def test_what_is_no_signing_request_is_refused(authority: Authority, rubbish: str) -> None:
    with pytest.raises(RemoteProtocolError):
        authority.issue(rubbish, "nanjing")


def test_signing_request_of_another_kind_of_key_is_refused(authority: Authority) -> None:
    other = signing_request(ec.generate_private_key(ec.SECP384R1()))
    with pytest.raises(RemoteProtocolError, match="P-256"):
        authority.issue(other, "nanjing")


def test_signing_request_that_its_sender_cannot_sign_is_refused(authority: Authority) -> None:
    request = x509.load_pem_x509_csr(signing_request().encode())
    der = bytearray(request.public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    forged = ssl.DER_cert_to_PEM_cert(bytes(der)).replace("CERTIFICATE", "CERTIFICATE REQUEST")
    with pytest.raises(RemoteProtocolError):
        authority.issue(forged, "nanjing")


@pytest.mark.parametrize(
    ("name", "certified"),
    [
        ("Ctl.Example.org.", "ctl.example.org"),
        ("南京.example", "xn--1lqq7i.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("ctl_1", "ctl_1"),
    ],
)
def test_names_and_addresses_are_certified_as_certificates_have_them(
    name: str, certified: str
) -> None:
    assert certified_host(name) == certified


@pytest.mark.parametrize(
    "name",
    [
        "",
        "https://ctl.example",
        "ctl.example:7443",
        "[2001:db8::1]",
        "fe80::1%eth0",
        "a..b",
        "1.2.3",
        "-ctl.example",
        "ctl_.example..",
        "0.0.0.0",
        "x" * 64,
    ],
)
def test_what_is_no_host_name_and_no_address_is_not_certified(name: str) -> None:
    with pytest.raises(UsageError, match="--name"):
        certified_host(name)


def test_hosts_are_certified_once_each_in_order() -> None:
    assert certified_hosts(
        ["b.example", "a.example", "B.example."], ["localhost", "a.example"]
    ) == [
        "b.example",
        "a.example",
        "localhost",
    ]
