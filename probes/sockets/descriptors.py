"""How many sockets this process may have, and the last descriptors kept for what must not stop.

Probes and reflectors take descriptors by the thousand; spool, uplink and control channel open one
now and then, and without it an agent measures and nobody hears of it. The kernel gives the lowest
number that is free, so a number near the limit tells that few are left.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket

_RESERVED = 64
_ENOUGH = 1 << 19  # some containers know no limit; no machine of ours has so many sockets


def raise_descriptor_limit() -> None:
    """Take all the descriptors that this process may give itself; called once, at its start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(hard, _ENOUGH) if hard != resource.RLIM_INFINITY else _ENOUGH
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def descriptor_limit() -> int:
    """Return how many descriptors this process may have."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _ENOUGH if soft == resource.RLIM_INFINITY else soft


def descriptors_for_sockets() -> int:
    """Return below which number a descriptor may be taken for what others can have us open."""
    limit = descriptor_limit()
    return limit - min(_RESERVED, limit // 4)


def new_socket(family: int, kind: int, protocol: int = 0, *, interface: str = "") -> socket.socket:
    """Return a socket for probes or their answers, of one interface alone if it is named.

    Raises OSError, EMFILE before the last descriptors.
    """
    sock = socket.socket(family, kind, protocol)
    if sock.fileno() >= descriptors_for_sockets():
        sock.close()
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    if interface:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        except OSError:
            sock.close()
            raise
    return sock
