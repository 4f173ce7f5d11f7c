"""Where faults happen: sites that the kernel forwards between, and a count of their probes.

The hub counts what each site really puts on the wire with a packet socket that nobody reads: the
kernel's own statistics of what passed its filter. No part of the product takes part in that.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from pyroute2 import IPRoute

from lab.fleet.networks import MAC, PERMANENT, SiteNetwork, enter_hub, inside, make_sites
from probes.sockets.bpf import Instruction, attach_filter
from probes.stamp.sizes import STAMP_PORT

_ETH_P_ALL, _ETH_P_IP, _SOL_PACKET, _PACKET_STATISTICS = 3, 0x0800, 263, 6
_ETHER_BYTES = 14
_PACKET_TYPE = 0xFFFF_F000 + 4  # SKF_AD_OFF + SKF_AD_PKTTYPE
_OUTGOING = 4
_CONTROLLER = "198.18.255.1"


class FaultNetwork:
    """One site a name, each with an IPv4 address, and the controller's address on the hub.

    Moves this process into the hub's network; must be made while it has one thread.
    """

    controller_address = _CONTROLLER

    def __init__(self, addresses: dict[str, str]) -> None:
        enter_hub()
        self.addresses = addresses
        made = make_sites([(name, (address,)) for name, address in addresses.items()])
        self._sites: dict[str, SiteNetwork] = {site.name: site for site in made}
        self._forward()
        self._counters = {name: _counter(site) for name, site in self._sites.items()}
        self._counted = dict.fromkeys(self._sites, 0)

    def _forward(self) -> None:
        with IPRoute() as routes:
            routes.link("set", index=1, state="up")
            routes.addr("add", index=1, address=_CONTROLLER, prefixlen=32)
            for name, site in self._sites.items():
                index, address = site.hub_interface, self.addresses[name]
                routes.link("set", index=index, address=MAC)
                routes.neigh("add", dst=address, lladdr=MAC, ifindex=index, state=PERMANENT)
        self.connect(True)

    def connect(self, whether: bool) -> None:
        """Carry packets; or let the hub swallow all there are between sites and to them.

        What sites send is still counted: it has left them.
        """
        Path("/proc/sys/net/ipv4/ip_forward").write_text(str(int(whether)), encoding="ascii")
        with IPRoute() as routes:
            for name, site in self._sites.items():
                routes.route(
                    "replace" if whether else "del",
                    dst=f"{self.addresses[name]}/32",
                    oif=site.hub_interface,
                    scope=253,  # RT_SCOPE_LINK
                )

    @contextlib.contextmanager
    def at(self, name: str) -> Iterator[None]:
        """Be in a site's network; what is started there stays there."""
        with inside(self._sites[name]):
            yield

    def probes_on_the_wire(self) -> int:
        """Return how many probes all sites have sent so far, seen from outside."""
        for name, counter in self._counters.items():
            # tp_packets counts what passed the filter, room or no room; reading sets it to zero.
            packets, _ = struct.unpack(
                "=II", counter.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
            )
            self._counted[name] += packets
        return sum(self._counted.values())


def _counter(site: SiteNetwork) -> socket.socket:
    """Return a socket that counts the probes coming in from a site, and keeps none."""
    counter = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    counter.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    attach_filter(counter, _probes_coming_in())
    with IPRoute() as routes:
        name = routes.get_links(site.hub_interface)[0].get_attr("IFLA_IFNAME")
    counter.bind((name, _ETH_P_ALL))
    counter.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
    return counter


def _probes_coming_in() -> list[Instruction]:
    """Accept IPv4 echo requests, and UDP to STAMP's port, that the site sent."""
    drop, accept = (0x06, 0, 0, 0), (0x06, 0, 0, 1)
    load_byte, load_half, at_x_byte, at_x_half = 0x30, 0x28, 0x50, 0x48
    equal, x_is_ip_header = 0x15, 0xB1
    return [
        (0x20, 0, 0, _PACKET_TYPE),
        (equal, 11, 0, _OUTGOING),
        (load_half, 0, 0, 12),
        (equal, 0, 9, _ETH_P_IP),
        (load_byte, 0, 0, _ETHER_BYTES + 9),
        (x_is_ip_header, 0, 0, _ETHER_BYTES),
        (equal, 0, 2, socket.IPPROTO_ICMP),
        (at_x_byte, 0, 0, _ETHER_BYTES),
        (equal, 3, 4, 8),
        (equal, 0, 3, socket.IPPROTO_UDP),
        (at_x_half, 0, 0, _ETHER_BYTES + 2),
        (equal, 0, 1, STAMP_PORT),
        accept,
        drop,
    ]
