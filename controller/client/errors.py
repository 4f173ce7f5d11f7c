"""What our commands say when a controller is silent, not the one it should be, or refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from controller.documents.values import ErrorDocument
from foundation.errors import ConfigError, ResourceError, RightsError
from foundation.reasons import reason_of
from foundation.text import Text, excerpt
from foundation.tls_faults import certificate_fault

if TYPE_CHECKING:
    from foundation.errors import IsochroneError

Answer = TypeVar("Answer")
_NOT_TRUSTED = Text(
    "is not from an authority that this machine trusts; give the controller's keys/authority.pem "
    "with --ca",
    "并非由本机信任的颁发机构签发；请用 --ca 指定控制器的 keys/authority.pem",
)


class SilentControllerError(ResourceError):
    """A controller does not answer at all; it may come back."""


def no_answer(url: str, error: Exception) -> IsochroneError:
    """Return what tells why there is no answer from `url`."""
    fault = certificate_fault(error)
    if fault is not None:
        told = _NOT_TRUSTED if fault.kind == "authority" else fault.text
        return ConfigError(
            f"The certificate of {url} {told.en}.", f"{url} 的证书{told.zh}。", url=url
        )
    reason = reason_of(error)
    return SilentControllerError(
        f"The controller at {url} does not answer ({reason.en}); start it, or check --url.",
        f"控制器 {url} 没有应答（{reason.zh}）；请先启动控制器，或检查 --url。",
        url=url,
    )


def decoded(url: str, body: bytes, kind: type[Answer]) -> Answer:
    """Return an answer's document. Raises ResourceError where it is another one than expected."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise other_answer(url, str(error)) from error


def check_media(url: str, found: str, wanted: str) -> None:
    """Raise ResourceError where an answer that becomes a file is not of the kind it should be."""
    if found != wanted:
        raise other_answer(url, f"{found}, not {wanted}")


def other_answer(url: str, why: str) -> ResourceError:
    """Return what tells that somebody answers who is no controller of this version."""
    said = excerpt(why)
    return ResourceError(
        f"{url} did not answer as this version of the API does: {said}; "
        "check that it is an Isochrone controller of this version.",
        f"{url} 的应答与本版本接口不符：{said}；请确认它是同一版本的 Isochrone 控制器。",
        url=url,
    )


def refusal(url: str, status: int, body: bytes) -> IsochroneError:
    """Return the controller's own reason for a refusal, and what may help."""
    try:
        said = msgspec.json.decode(body, type=ErrorDocument).error.message
    except msgspec.DecodeError:
        said = Text(
            f"HTTP {status}, as no Isochrone controller of this version does.",
            f"HTTP {status}，不像同一版本的 Isochrone 控制器。",
        )
    help_en = " Give a token with --token-file, or use --url unix:/PATH." if status == 401 else ""
    help_zh = "请用 --token-file 提供令牌，或使用 --url unix:/路径。" if status == 401 else ""
    kind = RightsError if status in (401, 403) else ResourceError
    return kind(
        f"The controller at {url} refused: {said.en}{help_en}",
        f"控制器 {url} 拒绝：{said.zh}{help_zh}",
        url=url,
        status=status,
    )


def cut_short(url: str, error: Exception) -> ResourceError:
    """Return what tells that an export ended before it was complete."""
    reason = reason_of(error)
    return ResourceError(
        f"The controller at {url} ended the export before it was complete "
        f"({reason.en}); no file was written. Export again.",
        f"控制器 {url} 的导出中途中断（{reason.zh}）；未写入文件，请重新导出。",
        url=url,
    )
