"""Where the controller listens: as it is asked, else where it usually does."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

from controller.access.certificate_authority import authority_exists
from foundation.errors import UsageError
from foundation.literals import AddressError, read_address
from messages.controller_url import socket_path

DEFAULT_LISTEN = "127.0.0.1:8780"


SOCKET_NAME = "controller.sock"


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen: a host and port, or a unix socket."""

    host: str = ""
    port: int = 0
    unix: pathlib.Path | None = None

    def __str__(self) -> str:
        if self.unix is not None:
            return f"unix:{self.unix}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listens_of(texts: Sequence[str], data: pathlib.Path) -> list[Listen]:
    """Return where to listen: as asked, else the data directory's socket and TLS on loopback.

    Raises ConfigError.
    """
    if texts:
        return [parse_listen(text) for text in texts]
    usual = [Listen(unix=data.absolute() / SOCKET_NAME)]
    return [*usual, parse_listen(DEFAULT_LISTEN)] if authority_exists(data) else usual


def parse_listen(text: str) -> Listen:
    """Return ``host:port``, ``[v6]:port`` or ``unix:/path`` as a Listen. Raises ConfigError."""
    path = socket_path(text)
    if path:
        return Listen(unix=pathlib.Path(path))
    host, _, port = text.rpartition(":")
    if path is None and host and port.isdecimal() and int(port) <= 65_535:
        try:
            address = read_address(host)  # where there is none, it is a name
        except AddressError as error:
            raise UsageError(
                f"--listen: {error.text.en}.", f"--listen：{error.text.zh}。", listen=text
            ) from error
        return Listen(host=host if address is None else str(address), port=int(port))
    raise UsageError(
        f"--listen {text} is not understood; write 127.0.0.1:8780, [::1]:8780 or "
        "unix:/run/isochrone.sock.",
        f"无法识别 --listen {text}；请写成 127.0.0.1:8780、[::1]:8780 或 "
        "unix:/run/isochrone.sock。",
        listen=text,
    )
