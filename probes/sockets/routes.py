"""Being told that interfaces, addresses or routes of this machine have changed (rtnetlink(7))."""

from __future__ import annotations

import contextlib
import errno
import socket

from probes.addresses import socket_address
from probes.sockets.descriptors import new_socket

_RTMGRP_LINK = 0x1
_RTMGRP_IPV4_IFADDR, _RTMGRP_IPV4_ROUTE = 0x10, 0x40
_RTMGRP_IPV6_IFADDR, _RTMGRP_IPV6_ROUTE = 0x100, 0x400
_GROUPS = (
    _RTMGRP_LINK
    | _RTMGRP_IPV4_IFADDR
    | _RTMGRP_IPV4_ROUTE
    | _RTMGRP_IPV6_IFADDR
    | _RTMGRP_IPV6_ROUTE
)
_MESSAGE_BYTES = 8192
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.ENODEV, None)  # None: no interface of its zone's name


def is_local(address: str) -> bool:
    """Tell whether a socket can be bound to an address here and now: not to one that has gone, nor
    to one that is not yet known to be nobody else's (RFC 4862 §5.4)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with new_socket(family, socket.SOCK_DGRAM) as trial:
            trial.bind(socket_address(address))
    except OSError as error:
        return error.errno not in _NOT_HERE
    return True


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
