"""What is wrong with a controller's certificate, by the code that OpenSSL gives it.

The same words as the other commands have; this room imports none of theirs.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

_CLOCK = ", by this machine's clock ({now}); check the clocks of both machines (`timedatectl`)"
_CLOCK_ZH = "（按本机时钟 {now}）；请检查两端时钟（`timedatectl`）"
_NAME = (
    "is not for this name; use one that it was made for (`isochrone controller init --name`)",
    "与该名称不符；请使用证书中包含的名称（`isochrone controller init --name`）",
)
_AUTHORITY = (
    "is not from an authority that this machine trusts; give the controller's keys/authority.pem "
    "with --ca",
    "并非由本机信任的颁发机构签发；请用 --ca 指定控制器的 keys/authority.pem",
)
# X509_V_ERR_… of OpenSSL's x509_vfy.h, of which Python's ssl names none.
_TOLD = {
    9: (f"is not valid yet{_CLOCK}", f"尚未生效{_CLOCK_ZH}"),
    10: (f"has expired, or its authority's has{_CLOCK}", f"或其颁发机构的证书已过期{_CLOCK_ZH}"),
    62: _NAME,
    64: _NAME,
    **dict.fromkeys((2, 7, 18, 19, 20, 21, 27, 28, 30), _AUTHORITY),
}
_OTHERWISE = ("is refused here: {message}", "未通过校验：{message}")


def fault_of(error: BaseException, now: datetime | None = None) -> tuple[str, str]:
    """Return what follows "The certificate of …", in English and Chinese."""
    code = getattr(error, "verify_code", 0) if isinstance(error, ssl.SSLError) else 0
    shown = f"{now or datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    message = getattr(error, "verify_message", "") or str(error)
    en, zh = _TOLD.get(code, _OTHERWISE)
    return en.format(now=shown, message=message), zh.format(now=shown, message=message)
