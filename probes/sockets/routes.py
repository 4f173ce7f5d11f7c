"""Being told that routes or addresses of this machine have changed (rtnetlink(7))."""

from __future__ import annotations

import contextlib
import socket

_RTMGRP_IPV4_IFADDR, _RTMGRP_IPV4_ROUTE = 0x10, 0x40
_RTMGRP_IPV6_IFADDR, _RTMGRP_IPV6_ROUTE = 0x100, 0x400
_GROUPS = _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV4_ROUTE | _RTMGRP_IPV6_IFADDR | _RTMGRP_IPV6_ROUTE
_MESSAGE_BYTES = 8192


class RouteWatch:
    """Listens for changes in the network namespace of the thread that makes it."""

    def __init__(self) -> None:
        self._sock: socket.socket | None = None
        with contextlib.suppress(OSError):  # without it, who asks has to look by the clock
            self._sock = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
            )
            self._sock.bind((0, _GROUPS))

    def changed(self) -> bool:
        """Tell whether anything has changed since the last call; never waits."""
        found = False
        while self._sock is not None:
            try:
                self._sock.recv(_MESSAGE_BYTES)
            except BlockingIOError:
                break
            except OSError:  # more changes than the socket had room for
                pass
            found = True
        return found

    def close(self) -> None:
        """Stop listening."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None
