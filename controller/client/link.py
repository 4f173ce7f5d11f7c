"""How our own commands reach a controller: its unix socket, or HTTPS with a token and its CA."""

from __future__ import annotations

import pathlib
import ssl
from dataclasses import dataclass

import aiohttp

from foundation.errors import ConfigError, UsageError
from foundation.input_files import read_input
from foundation.one_host import follow_no_redirect
from foundation.reasons import reason_of
from messages.controller_url import is_https, socket_path


@dataclass(frozen=True, slots=True)
class ControllerAddress:
    """A controller's address and what is shown there. The token stays out of every `repr`."""

    url: str
    token_file: pathlib.Path | None = None
    ca_file: pathlib.Path | None = None

    def open_session(self, timeout_s: float) -> aiohttp.ClientSession:
        """Return a session whose paths begin at the controller's root. Raises ConfigError."""
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        headers = {}
        if self.token_file is not None:
            headers["Authorization"] = f"Bearer {read_token(self.token_file)}"
        path = socket_path(self.url)
        if path:
            return aiohttp.ClientSession(
                "http://controller",
                connector=aiohttp.UnixConnector(path),
                timeout=timeout,
                headers=headers,
                middlewares=(follow_no_redirect,),
            )
        if not is_https(self.url):
            raise UsageError(
                f"{self.url} is not the address of a controller; write https://HOST:PORT or "
                f"unix:/PATH.",
                f"{self.url} 不是控制器地址；请写成 https://主机:端口 或 unix:/路径。",
                url=self.url,
            )
        return aiohttp.ClientSession(
            self.url.rstrip("/"),
            connector=aiohttp.TCPConnector(ssl=trusting(self.ca_file)),
            timeout=timeout,
            headers=headers,
            middlewares=(follow_no_redirect,),
        )


def read_token(path: pathlib.Path) -> str:
    """Return the token in a file. Raises ConfigError."""
    try:
        token = read_input(path).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = reason_of(error)
        raise ConfigError(
            f"The token file {path} cannot be read ({reason.en}).",
            f"无法读取令牌文件 {path}（{reason.zh}）。",
            file=str(path),
        ) from error
    if not token or any(sign.isspace() for sign in token):
        raise ConfigError(
            f"{path} must hold one API token and nothing else.",
            f"{path} 中应只有一个 API 令牌。",
            file=str(path),
        )
    return token


def trusting(ca_file: pathlib.Path | None) -> ssl.SSLContext:
    """Return a TLS context that trusts `ca_file` alone, or the system's authorities."""
    try:
        if ca_file is None:
            return ssl.create_default_context()
        given = read_input(ca_file).decode("ascii", "ignore")
        if "-----BEGIN" in given:  # no text at all would mean the system's authorities
            return ssl.create_default_context(cadata=given)
        return ssl.create_default_context(cafile=str(ca_file))  # which tells what is wrong
    except (OSError, ssl.SSLError) as error:
        reason = reason_of(error)
        raise ConfigError(
            f"The CA file {ca_file} cannot be used ({reason.en}); it is keys/authority.pem in the "
            "controller's data directory.",
            f"无法使用 CA 文件 {ca_file}（{reason.zh}）；该文件是控制器数据目录下的 "
            "keys/authority.pem。",
            file=str(ca_file),
        ) from error
