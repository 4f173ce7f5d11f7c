"""What this terminal shows a controller, and how it knows that controller."""

from __future__ import annotations

import errno
import pathlib
import ssl
from dataclasses import dataclass

from tui.errors import AddressError


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
                "A token is shown over https:// or unix:// alone; anyone could read it on http://.",
                "令牌只能通过 https:// 或 unix:// 发送；http:// 会泄露令牌。",
            )
        try:
            token = self.token_file.read_text(encoding="ascii").strip()
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
            cafile = None if self.ca_file is None else str(self.ca_file)
            return ssl.create_default_context(cafile=cafile)
        except (OSError, ssl.SSLError) as error:
            why = (error.errno == errno.ENOENT and error.strerror) or "no certificate"
            raise AddressError(
                f"The CA file {self.ca_file} cannot be used ({why}); it is keys/authority.pem of "
                "the controller.",
                f"无法使用 CA 文件 {self.ca_file}（{why}）；该文件是控制器的 keys/authority.pem。",
            ) from error
