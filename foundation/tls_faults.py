"""What TLS says when it fails, as parts of sentences: verify codes, alerts, what is no TLS at all.

A certificate is judged by the clock of whoever looks at it, so what has to do with time names the
clock that said so.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from foundation.text import Text

Kind = Literal["authority", "name", "early", "expired", "other"]

# X509_V_ERR_… of OpenSSL's x509_vfy.h, of which Python's ssl names none.
_KINDS: dict[int, Kind] = {
    **dict.fromkeys((2, 7, 18, 19, 20, 21, 27, 28, 30), "authority"),
    **dict.fromkeys((62, 64), "name"),
    9: "early",
    10: "expired",
}
_CLOCKS = "if that is wrong, set the clock (`timedatectl`), otherwise check the clock of its issuer"
_CLOCKS_ZH = "若时间有误，请校准时钟（`timedatectl`），否则请检查签发方的时钟"
_TOLD: dict[Kind, tuple[str, str]] = {
    "authority": (
        "is not from an authority that is trusted here ({message})",
        "并非由此处信任的颁发机构签发（{message}）",
    ),
    "name": (
        "is not for this name; use one that it was made for (`isochrone controller init --name`)",
        "与该名称不符；请使用证书中包含的名称（`isochrone controller init --name`）",
    ),
    "early": (
        f"is not valid yet by this machine's clock ({{now}}); {_CLOCKS}",
        f"按本机时钟（{{now}}）尚未生效；{_CLOCKS_ZH}",
    ),
    "expired": (
        "has expired, or its authority's has, by this machine's clock ({now}); if that is wrong, "
        "set the clock (`timedatectl`), else have it issued again",
        "（或其颁发机构的证书）按本机时钟（{now}）已过期；若时间有误，请校准时钟（`timedatectl`），"
        "否则请重新签发",
    ),
    "other": ("is refused here: {message}", "未通过校验：{message}"),
}
_NO_TLS = Text(
    "it does not speak TLS there; is that the controller's port?",
    "对端在该端口未使用 TLS；端口是否正确？",
)
_OLD_TLS = Text(
    "it and this machine have no version of TLS in common; TLS 1.3 is needed",
    "双方没有共同支持的 TLS 版本；需要 TLS 1.3",
)
_REASONS = {
    "CERTIFICATE_EXPIRED": Text(
        "it says that the certificate shown to it has expired by its clock; check the clocks of "
        "both",
        "对端称所出示的证书按其时钟已过期；请检查双方时钟",
    ),
    "CERTIFICATE_REVOKED": Text(
        "it says that the certificate shown to it is revoked", "对端称所出示的证书已吊销"
    ),
    "UNKNOWN_CA": Text(
        "it says that the certificate shown to it is from another authority",
        "对端称所出示的证书来自其他颁发机构",
    ),
    "CERTIFICATE_REQUIRED": Text(
        "it asks for a certificate, and none was shown", "对端要求出示证书，但未出示"
    ),
    "BAD_CERTIFICATE": Text(
        "it refuses the certificate shown to it: damaged, or not valid yet by its clock; check "
        "the clocks of both",
        "对端拒绝所出示的证书：已损坏，或按其时钟尚未生效；请检查双方时钟",
    ),
    "CERTIFICATE_UNKNOWN": Text(
        "it refuses the certificate shown to it, and does not say why",
        "对端拒绝所出示的证书，未说明原因",
    ),
    **dict.fromkeys(("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL"), _OLD_TLS),
    **dict.fromkeys(
        ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"),
        _NO_TLS,
    ),
}


@dataclass(frozen=True, slots=True)
class CertificateFault:
    """Why the certificate of another is refused: `text` continues from "The certificate of …"."""

    kind: Kind
    text: Text


def certificate_fault(
    error: BaseException | None, now: datetime | None = None
) -> CertificateFault | None:
    """Return what is wrong with a certificate, None where it is not that which failed."""
    found = _find(error)
    if not isinstance(found, ssl.SSLCertVerificationError):
        return None
    kind = _KINDS.get(getattr(found, "verify_code", 0), "other")
    shown = f"{now or datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    message = getattr(found, "verify_message", "") or str(found)
    en, zh = (part.format(now=shown, message=message) for part in _TOLD[kind])
    return CertificateFault(kind, Text(en, zh))


def tls_reason(error: BaseException | None) -> Text | None:
    """Return why TLS failed, as part of a sentence; None for what is not of TLS or has no word."""
    fault = certificate_fault(error)
    if fault is not None:
        return Text(f"its certificate {fault.text.en}", f"其证书{fault.text.zh}")
    return _REASONS.get(_last_words(_find(error)))


def refuses_certificate(error: BaseException | None) -> bool:
    """Whether the other side's TLS refused the certificate it was shown (RFC 8446 §6.2)."""
    reason = getattr(_find(error), "reason", None) or ""
    return "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason)


def _last_words(error: BaseException | None) -> str:
    """Return what a reason is about, such as BAD_CERTIFICATE of SSLV3_ALERT_BAD_CERTIFICATE."""
    reason = getattr(error, "reason", None)
    return reason.rpartition("ALERT_")[2] if isinstance(reason, str) else ""


def _find(error: BaseException | None) -> ssl.SSLError | None:
    """Return the error of TLS in one of aiohttp's or asyncio's, or among its causes."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        # aiohttp's are of ssl's kinds too, without what OpenSSL said.
        inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
        if inner is None and isinstance(error, ssl.SSLError):
            return error
        error = inner or error.__cause__ or error.__context__
    return None
