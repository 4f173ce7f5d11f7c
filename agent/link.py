"""Where the controller is: an HTTP address or a Unix socket, and the HTTP session to it."""

from __future__ import annotations

import aiohttp

from probes.text import Text

_CONNECT_TIMEOUT_S = 10.0
_TOTAL_TIMEOUT_S = 60.0


def open_session(controller: str) -> tuple[aiohttp.ClientSession, str]:
    """Return a session and the base URL for ``http://…``, ``https://…`` or ``unix:///path``."""
    connector: aiohttp.BaseConnector
    if controller.startswith("unix://"):
        connector, base = aiohttp.UnixConnector(controller.removeprefix("unix://")), "http://unix"
    else:
        connector, base = aiohttp.TCPConnector(limit=16), controller.rstrip("/")
    timeout = aiohttp.ClientTimeout(total=_TOTAL_TIMEOUT_S, sock_connect=_CONNECT_TIMEOUT_S)
    return aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False), base


def unreachable(controller: str, error: BaseException) -> Text:
    """Return the sentence for a controller that does not answer."""
    reason = str(error) or type(error).__name__
    return Text(
        f"The controller {controller} cannot be reached ({reason}); measuring goes on and windows "
        "are kept. Check its address and that it runs.",
        f"无法连接控制器 {controller}（{reason}）；测量继续进行，数据保存在本地。"
        "请检查地址及控制器是否在运行。",
    )
