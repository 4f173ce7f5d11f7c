"""What this terminal shows a controller, and how it knows that controller."""

from __future__ import annotations

import errno
import os
import pathlib
import ssl
from dataclasses import dataclass

from tui.errors import AddressError

_BEGIN = "-----BEGIN"  # of a certificate; no text at all would mean the system's authorities
_MOST_BYTES = 16 << 20  # of a token, or of all authorities of a system


@dataclass(frozen=True, slots=True)
class Access:
    """A file with an API token, and the controller's authority (else the system's)."""

    token_file: pathlib.Path | None = None
    ca_file: pathlib.Path | None = None

    def headers(self, url: str) -> dict[str, str]:
        """Return the headers of every request. AddressError if the token cannot be shown there."""
        if self.token_file is None:
            return {}
        if url.startswith("http://"):
            raise AddressError(
                "A token is sent only over https:// or unix://; on http:// anyone could read it.",
                "令牌只能通过 https:// 或 unix:// 发送；http:// 会泄露令牌。",
            )
        try:
            token = _content(self.token_file).decode("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = (isinstance(error, OSError) and error.strerror) or "not text"
            raise AddressError(
                f"The token file {self.token_file} cannot be read ({why}).",
                f"无法读取令牌文件 {self.token_file}（{why}）。",
            ) from error
        if not token or any(sign.isspace() for sign in token):
            raise AddressError(
                f"{self.token_file} must hold one API token and nothing else.",
                f"{self.token_file} 中应只有一个 API 令牌。",
            )
        return {"Authorization": f"Bearer {token}"}

    def context(self) -> ssl.SSLContext:
        """Return the TLS context. AddressError for an authority that cannot be used."""
        try:
            if self.ca_file is None:
                return ssl.create_default_context()
            given = _content(self.ca_file).decode("ascii", "ignore")
            if _BEGIN not in given:
                raise ssl.SSLError(_BEGIN)
            return ssl.create_default_context(cadata=given)
        except (OSError, ssl.SSLError) as error:
            why = (error.errno == errno.ENOENT and error.strerror) or "no certificate"
            raise AddressError(
                f"The CA file {self.ca_file} cannot be used ({why}); it is keys/authority.pem of "
                "the controller.",
                f"无法使用 CA 文件 {self.ca_file}（{why}）；该文件是控制器的 keys/authority.pem。",
            ) from error


def _content(path: pathlib.Path) -> bytes:
    """Return what a small file holds. OSError for what waits for a writer, or has no end."""
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    content = bytearray()
    with os.fdopen(number, "rb", buffering=0) as file:
        os.set_blocking(number, True)  # opened, and the end of a pipe without a writer is here
        while len(content) <= _MOST_BYTES and (piece := file.read(_MOST_BYTES)):
            content += piece
    if len(content) > _MOST_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return bytes(content)
