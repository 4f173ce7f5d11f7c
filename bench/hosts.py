"""Two hosts to measure between: anonymous network namespaces joined by a veth pair.

They are held by descriptors of this process alone, so that the kernel removes them when it ends.
The far host answers for every address of 10.97.0.0/16: ten thousand targets need no interface
each.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from pyroute2 import IPRoute

from lab.fleet.kernel import enter_new_network, join_network, open_network

NEAR_ADDRESS, FAR_ADDRESS = "10.98.0.1", "10.98.0.2"
LINK = "v0"
_LOCAL_TABLE, _LOCAL, _SCOPE_HOST = 255, 2, 254  # linux/rtnetlink.h


@dataclass(frozen=True, slots=True)
class Hosts:
    """Descriptors of the two namespaces."""

    near: int
    far: int


@contextlib.contextmanager
def inside(descriptor: int) -> Iterator[None]:
    """Be in a namespace for a while; what is opened or started there stays there."""
    back = open_network()
    join_network(descriptor)
    try:
        yield
    finally:
        join_network(back)
        os.close(back)


@contextlib.contextmanager
def two_hosts() -> Iterator[Hosts]:
    """Make both hosts (needs root) and let the kernel remove them afterwards."""
    back = open_network()
    enter_new_network()
    far = open_network()
    enter_new_network()
    near = open_network()
    with IPRoute() as routes:
        routes.link("add", ifname=LINK, kind="veth", peer={"ifname": LINK, "net_ns_fd": far})
    _configure(near, NEAR_ADDRESS)
    _configure(far, FAR_ADDRESS)
    join_network(back)
    os.close(back)
    try:
        yield Hosts(near, far)
    finally:
        os.close(near)
        os.close(far)


def _configure(descriptor: int, address: str) -> None:
    with inside(descriptor), IPRoute() as routes:
        loopback, link = 1, routes.link_lookup(ifname=LINK)[0]
        for index in (loopback, link):
            routes.link("set", index=index, state="up")
        routes.addr("add", index=link, address=address, prefixlen=16, family=socket.AF_INET)
        if address == NEAR_ADDRESS:
            routes.route("add", dst="10.97.0.0/16", gateway=FAR_ADDRESS)
        else:
            routes.route(
                "add", dst="10.97.0.0/16", oif=loopback,
                table=_LOCAL_TABLE, type=_LOCAL, scope=_SCOPE_HOST,
            )  # fmt: skip


def targets(count: int) -> list[str]:
    """Return that many addresses of the far host."""
    return [f"10.97.{1 + number // 250}.{1 + number % 250}" for number in range(count)]
