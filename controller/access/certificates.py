"""X.509 as this controller makes it: an authority, its server, its agents.

Keys, names and times in, certificates out. ECDSA over P-256 throughout
(docs/decisions/access.md). A server's certificate is for host names and addresses, and for nothing
around them.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from foundation.errors import RemoteProtocolError, UsageError
from foundation.literals import AddressError, fault_of, read_address
from messages.enrolment import AGENT_URI

BACKDATED = dt.timedelta(hours=1)  # agents' clocks may be behind
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_LONGEST = 253


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a new P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PKCS #8."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def authority_certificate(
    key: ec.EllipticCurvePrivateKey, now: dt.datetime, lifetime: dt.timedelta
) -> x509.Certificate:
    """Return a self-signed authority, which may sign leaves and no other authorities."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Isochrone controller authority")])
    builder = _builder(name, name, key.public_key(), now, lifetime)
    usage = _usage(signs_certificates=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
    return builder.sign(key, hashes.SHA256())


def server_certificate(
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePublicKey,
    hosts: Sequence[str],
    now: dt.datetime,
    lifetime: dt.timedelta,
) -> x509.Certificate:
    """Return a certificate for the names and addresses in `hosts`."""
    names: list[x509.GeneralName] = [_host(host) for host in hosts]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Isochrone controller")])
    usage = ExtendedKeyUsageOID.SERVER_AUTH
    builder = _leaf(issuer, subject, key, names, usage, now, lifetime)
    return builder.sign(issuer_key, hashes.SHA256())


def agent_certificate(
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePublicKey,
    agent: str,
    now: dt.datetime,
    lifetime: dt.timedelta,
) -> x509.Certificate:
    """Return a certificate that lets its holder speak as `agent`."""
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"{AGENT_URI}{agent}")]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, agent)])
    usage = ExtendedKeyUsageOID.CLIENT_AUTH
    builder = _leaf(issuer, subject, key, names, usage, now, lifetime)
    return builder.sign(issuer_key, hashes.SHA256())


def requested_key(request_pem: str) -> ec.EllipticCurvePublicKey:
    """Return the key of a signing request whose signature shows that its sender holds it.

    Nothing else of the request counts: names are ours to give. Raises RemoteProtocolError.
    """
    try:
        request = x509.load_pem_x509_csr(request_pem.encode("ascii"))
        key = request.public_key()
        genuine = request.is_signature_valid
    except (ValueError, TypeError, InvalidSignature, UnicodeEncodeError) as error:
        raise _bad_request(str(error) or type(error).__name__) from error
    if not genuine:
        raise _bad_request("its signature is wrong")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _bad_request("its key is not ECDSA P-256")
    return key


def hosts_of(certificate: x509.Certificate) -> list[str]:
    """Return the names and addresses a server's certificate is for."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


def _bad_request(reason: str) -> RemoteProtocolError:
    return RemoteProtocolError(
        f"This is not a signing request this controller takes: {reason}.",
        f"无法接受该证书签名请求：{reason}。",
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host.encode("idna").decode("ascii"))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: dt.datetime,
    lifetime: dt.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - min(BACKDATED, lifetime))
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _leaf(
    issuer: x509.Certificate,
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    names: list[x509.GeneralName],
    usage: x509.ObjectIdentifier,
    now: dt.datetime,
    lifetime: dt.timedelta,
) -> x509.CertificateBuilder:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    builder = _builder(subject, issuer.subject, key, now, lifetime)
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage([usage]), False),
        (x509.SubjectAlternativeName(names), False),
        (authority, False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return builder


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def certified_host(text: str) -> str:
    """Return a host name (in ASCII, without its last dot) or address as a certificate has it.

    Raises UsageError for anything else: a URL, a port, brackets, nothing at all.
    """
    try:
        address = read_address(text)
    except AddressError as error:
        raise _no_host(text) from error
    if address is not None:
        of_one_machine = "%" in text  # a zone is
        bare = text == text.strip("[] ")
        nobodys = not address.is_link_local and fault_of(address) is not None
        if of_one_machine or not bare or nobodys:
            raise _no_host(text)
        return str(address)
    try:
        name = text.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        name = ""
    labels = name.split(".")
    sound = all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()
    if not sound or len(name) > _LONGEST or text.endswith(".."):
        raise _no_host(text)
    return name


def certified_hosts(names: Iterable[str], always: Iterable[str]) -> list[str]:
    """Return each of the names once, in order, or this machine's if there are none. UsageError."""
    found = [certified_host(name) for name in names]
    if not found:
        try:
            found = [certified_host(socket.getfqdn())]
        except UsageError:  # a machine without a name that others could use
            found = []
    return list(dict.fromkeys([*found, *always]))


def _no_host(text: str) -> UsageError:
    return UsageError(
        f"--name {text!r} is not a host name or address; write ctl.example.org, 192.0.2.1 or "
        "2001:db8::1, without scheme, port or brackets (those belong to --listen).",
        f"--name {text!r} 不是主机名或地址；请写成 ctl.example.org、192.0.2.1 或 "
        "2001:db8::1，不带协议、端口或方括号（端口请用 --listen 指定）。",
        name=text,
    )
