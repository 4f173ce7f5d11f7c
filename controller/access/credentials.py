"""Tokens and certificates, when one counts, and why it does not: every way to be refused.

Pure: records and times in; a CredentialError, in both languages, or nothing out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controller.access.roles import Identity, Role
from foundation.errors import IsochroneError

RENEWALS, RENEWALS_NS = 6, 3_600_000_000_000  # so many within that time


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """A token without its secret: `role` of an API token, `agent` of an enrolment token."""

    id: str
    role: Role | None
    agent: str | None
    label: str
    digest: bytes
    created_ns: int
    expires_ns: int | None
    used_ns: int | None
    revoked_ns: int | None

    def state(self, now_ns: int) -> str:
        """Return ``good``, ``used``, ``revoked`` or ``expired``."""
        if self.revoked_ns is not None:
            return "revoked"
        if self.used_ns is not None:
            return "used"
        expired = self.expires_ns is not None and self.expires_ns <= now_ns
        return "expired" if expired else "good"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRecord:
    """A certificate we gave to an agent; `serial` in hexadecimal."""

    serial: str
    agent: str
    issued_ns: int
    expires_ns: int
    revoked_ns: int | None = None


class CredentialError(IsochroneError):
    """A token or certificate that does not count; `code` says why."""

    def __init__(
        self, code: str, en: str, zh: str, retry_after_s: int | None = None, **fields: str
    ) -> None:
        super().__init__(en, zh, **fields)
        self.code = code
        self.retry_after_s = retry_after_s  # of what is refused for now alone


def unknown_api_token() -> CredentialError:
    """Return the refusal of an API token that nobody was given here."""
    return CredentialError(
        "unknown_token",
        "This API token is not known here; ask the controller's owner for one.",
        "该 API 令牌无效；请向控制器管理员申请。",
    )


def unknown_enrolment_token() -> CredentialError:
    """Return the refusal of an enrolment token that nobody was given here."""
    return CredentialError(
        "unknown_token",
        "This enrolment token is not known here; ask the controller's owner for a new one.",
        "该注册令牌无效；请向控制器管理员申请新的令牌。",
    )


def revoked_certificate(agent: str) -> CredentialError:
    """Return the refusal of an agent's certificate that was revoked."""
    return CredentialError(
        "revoked_certificate",
        f"The certificate of {agent} is revoked; enrol the agent again with a new token "
        "(isochrone agent enrol).",
        f"{agent} 的证书已被吊销；请使用新的令牌重新注册（isochrone agent enrol）。",
        agent=agent,
    )


def expired_certificate(agent: str) -> CredentialError:
    """Return the refusal of an agent's certificate that is over."""
    return CredentialError(
        "expired_certificate",
        f"The certificate of {agent} has expired; enrol the agent again with a new token "
        "(isochrone agent enrol).",
        f"{agent} 的证书已过期；请使用新的令牌重新注册（isochrone agent enrol）。",
        agent=agent,
    )


def too_many_renewals(agent: str, renewals: int, wait_s: int) -> CredentialError:
    """Return the refusal of a renewal that follows `renewals` others within an hour."""
    return CredentialError(
        "too_many_renewals",
        f"{renewals} certificates were issued for {agent} within an hour; renew again in "
        f"{wait_s} s.",
        f"一小时内已为 {agent} 签发 {renewals} 份证书；请 {wait_s} 秒后再续期。",
        retry_after_s=wait_s,
        agent=agent,
    )


def ended_token(token_id: str, state: str) -> CredentialError:
    """Return the refusal of a token that is ``used``, ``revoked`` or ``expired``."""
    chinese = {"used": "已被使用", "revoked": "已被吊销", "expired": "已过期"}[state]
    return CredentialError(
        f"{state}_token",
        f"The token {token_id} is {state}; ask the controller's owner for a new one.",
        f"令牌 {token_id} {chinese}；请向控制器管理员申请新的令牌。",
        token=token_id,
    )


def refuse_ended_token(record: TokenRecord, now_ns: int) -> None:
    """Raise CredentialError for a token that is used, revoked or over."""
    state = record.state(now_ns)
    if state != "good":
        raise ended_token(record.id, state)


def refuse_ended_certificate(
    shown: Identity, record: CertificateRecord | None, now_ns: int, *, barred: bool
) -> None:
    """Raise CredentialError for a certificate that is revoked or over.

    Of one without a record (a backup was restored) it counts whether its agent was `barred`.
    """
    if barred if record is None else record.revoked_ns is not None:
        raise revoked_certificate(shown.name)
    if shown.expires_ns is not None and shown.expires_ns <= now_ns:
        raise expired_certificate(shown.name)


def refuse_frequent_renewals(records: Sequence[CertificateRecord], now_ns: int) -> None:
    """Raise CredentialError if an agent's last certificates (newest first) are too close together.

    Within an hour either way: our clock may have been a little ahead then. If it was far ahead,
    what it issued locks nobody out until that time.
    """
    lately = [one for one in records if abs(now_ns - one.issued_ns) < RENEWALS_NS]
    if len(lately) < RENEWALS:
        return
    wait_s = (RENEWALS_NS - (now_ns - lately[RENEWALS - 1].issued_ns)) // 1_000_000_000 + 1
    raise too_many_renewals(lately[0].agent, RENEWALS, wait_s)
