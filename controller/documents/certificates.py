"""Certificates of agents, as the controller's authority gave them."""

from __future__ import annotations

from typing import Literal

import msgspec

from controller.access.credentials import CertificateRecord

CertificateState = Literal["good", "expired", "revoked"]


class IssuedCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that an agent was given; `serial` in hexadecimal."""

    serial: str
    agent: str
    state: CertificateState
    issued_ns: int
    expires_ns: int
    revoked_ns: int | None


class CertificatePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of certificates."""

    items: list[IssuedCertificate]
    next: str | None = None


def issued_certificate(record: CertificateRecord, now_ns: int) -> IssuedCertificate:
    """Return a certificate and what it is worth at `now_ns`."""
    validity: CertificateState = "good" if record.expires_ns > now_ns else "expired"
    return IssuedCertificate(
        serial=record.serial,
        agent=record.agent,
        state="revoked" if record.revoked_ns is not None else validity,
        issued_ns=record.issued_ns,
        expires_ns=record.expires_ns,
        revoked_ns=record.revoked_ns,
    )
