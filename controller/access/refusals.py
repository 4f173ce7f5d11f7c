"""Why a credential does not count, in both languages; one place for every way to be refused."""

from __future__ import annotations

from foundation.errors import IsochroneError


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
