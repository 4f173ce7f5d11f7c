"""Certificates of agents, as the controller's authority gave them."""

from __future__ import annotations

from typing import Literal

import msgspec

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
