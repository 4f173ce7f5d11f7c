"""What a thief of keys can make of them: certificates and keys that look right and are not."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519


def replace_certificate(trust: Path, keys: Path, age: dt.timedelta) -> None:
    """Let the authority of `keys` have issued the certificate in an agent's directory `trust`, and
    that so long ago. The agent still trusts whom it trusted."""
    held = trust / "agent.pem"
    content = held.read_bytes()
    certificate = x509.load_pem_x509_certificate(content)
    key = serialization.load_pem_private_key((keys / "authority.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    authority = x509.load_pem_x509_certificate((keys / "authority.pem").read_bytes())
    made = reissued(certificate, authority, key, age)
    held.write_bytes(content.replace(_pem(certificate), _pem(made)))


def reissued(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    age: dt.timedelta,
) -> x509.Certificate:
    """Return what says the same as a certificate, but for its issuer, number and dates."""
    name = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = x509.CertificateBuilder(
        issuer_name=issuer.subject,
        subject_name=certificate.subject,
        public_key=certificate.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=certificate.not_valid_before_utc - age,
        not_valid_after=certificate.not_valid_after_utc - age,
    )
    for each in certificate.extensions:
        value = each.value
        if isinstance(value, x509.AuthorityKeyIdentifier):
            value = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(name)
        builder = builder.add_extension(value, critical=each.critical)
    return builder.sign(issuer_key, hashes.SHA256())


def tls_of(trust: Path) -> ssl.SSLContext:
    """Return TLS as an agent speaks it, by the papers in its directory `trust`."""
    context = ssl.create_default_context(cafile=str(trust / "authority.pem"))
    context.load_cert_chain(trust / "agent.pem")
    return context


def new_plan_key() -> bytes:
    """Return a key to sign plans with that no agent knows, as the controller keeps its own."""
    return ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
