"""The lab's networks: a hub without a name, and one network a site behind a veth pair.

All of them are held by descriptors of this process alone, so when it ends, however it ends, the
kernel removes them. Nothing is forwarded by the kernel: user space does it (lab.fleet.emulator).
Every interface has the same Ethernet address and a fixed neighbour, so frames pass unchanged and
nobody has to ask for addresses.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyroute2 import IPRoute

from foundation.errors import ResourceError, RightsError
from lab.fleet.kernel import enter_new_network, enter_new_user, join_network, open_network

MAC = "02:00:00:00:00:01"
_GATEWAY = {4: "169.254.1.1", 6: "fe80::1"}
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
PERMANENT = 0x80  # NUD_PERMANENT
_NODAD = 0x02  # IFA_F_NODAD
_ONLINK = 0x04  # RTNH_F_ONLINK
_IFF_MULTICAST = 0x1000
SITE_INTERFACE = "wan0"

_SITE_SETTINGS = {
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv4/icmp_msgs_per_sec": "1000000",
    "net/ipv4/icmp_msgs_burst": "1000000",
    "net/ipv6/icmp/ratelimit": "0",
    "net/ipv4/ping_group_range": "0 0",
    "net/ipv4/ip_unprivileged_port_start": "0",
    "net/ipv6/conf/all/accept_dad": "0",
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv6/conf/default/router_solicitations": "0",
    "net/ipv6/conf/default/addr_gen_mode": "1",
}
_HUB_SETTINGS = {
    "net/ipv6/conf/all/disable_ipv6": "1",
    "net/ipv6/conf/default/disable_ipv6": "1",
    "net/ipv4/ip_forward": "0",
}


@dataclass(frozen=True, slots=True)
class SiteNetwork:
    """One site's network: `descriptor` holds it, `hub_interface` is the hub's end of its link."""

    name: str
    descriptor: int
    hub_interface: int


def enter_hub() -> None:
    """Move this process into its own network, as root or through a user namespace.

    Must be called while the process has one thread. Raises RightsError, saying how to permit it.
    """
    try:
        if os.geteuid() != 0:
            enter_new_user()
        enter_new_network()
    except OSError as first:
        if os.geteuid() != 0 or first.errno not in (errno.EPERM, errno.EACCES):
            raise _no_rights(first) from first
        try:  # root of a container without CAP_SYS_ADMIN
            enter_new_user()
            enter_new_network()
        except OSError as second:
            raise _no_rights(second) from second
    _apply(_HUB_SETTINGS)


def _no_rights(error: OSError) -> RightsError:
    return RightsError(
        f"The lab needs network namespaces of its own, and the system refused them ({error})."
        f" {_advice('en')}",
        f"仿真环境需要独立的网络命名空间，但系统拒绝创建（{error}）。{_advice('zh')}",
    )


def _advice(language: str) -> str:
    """Say what to change on this system."""
    switches = {
        "kernel/apparmor_restrict_unprivileged_userns": ("1", "0"),
        "kernel/unprivileged_userns_clone": ("0", "1"),
        "user/max_user_namespaces": ("0", "10000"),
    }
    for name, (closed, opened) in switches.items():
        with contextlib.suppress(OSError):
            if Path("/proc/sys", name).read_text(encoding="ascii").strip() == closed:
                command = f"sudo sysctl -w {name.replace('/', '.')}={opened}"
                if language == "zh":
                    return f"请执行 {command}，或以 root 身份运行。"
                return f"Run it as root, or permit it with: {command}"
    if language == "zh":
        return "请以 root 身份运行（在容器中需授予 CAP_SYS_ADMIN 与 CAP_NET_ADMIN）。"
    return "Run it as root (in a container: with CAP_SYS_ADMIN and CAP_NET_ADMIN)."


def make_sites(addresses: Sequence[tuple[str, Sequence[str]]]) -> list[SiteNetwork]:
    """Make one network a site, given (name, addresses), linked to the hub this process is in."""
    hub = open_network()
    made = []
    try:
        with IPRoute() as hub_routes:
            for number, (name, of_site) in enumerate(addresses):
                made.append(_make_site(hub_routes, hub, number, name, of_site))
    except OSError as error:
        raise ResourceError(
            f"The lab's network could not be built: {error}",
            f"无法建立仿真环境的网络：{error}",
        ) from error
    finally:
        join_network(hub)
        os.close(hub)
    return made


def _make_site(
    hub_routes: IPRoute, hub: int, number: int, name: str, addresses: Sequence[str]
) -> SiteNetwork:
    enter_new_network()
    _apply(_SITE_SETTINGS)
    descriptor = open_network()
    link = f"site{number}"
    hub_routes.link(
        "add",
        ifname=link,
        kind="veth",
        peer={"ifname": SITE_INTERFACE, "net_ns_fd": descriptor, "address": MAC},
    )
    _configure(addresses)
    join_network(hub)
    index = hub_routes.link_lookup(ifname=link)[0]
    _switch_offloads_off(link)
    hub_routes.link("set", index=index, state="up")
    return SiteNetwork(name, descriptor, index)


def _configure(addresses: Sequence[str]) -> None:
    """Give the site network this process is in its addresses, routes and neighbours."""
    _switch_offloads_off(SITE_INTERFACE)
    with IPRoute() as routes:
        routes.link("set", index=1, state="up")
        index = routes.link_lookup(ifname=SITE_INTERFACE)[0]
        routes.link("set", index=index, flags=0, change=_IFF_MULTICAST)
        routes.link("set", index=index, state="up")
        for version in sorted({6 if ":" in address else 4 for address in addresses}):
            own = [a for a in addresses if (":" in a) == (version == 6)]
            flags = {"flags": _NODAD} if version == 6 else {}
            for address in own:
                routes.addr(
                    "add",
                    index=index,
                    address=address,
                    prefixlen=128 if version == 6 else 32,
                    family=_FAMILY[version],
                    **flags,
                )
            routes.neigh(
                "add",
                family=_FAMILY[version],
                dst=_GATEWAY[version],
                lladdr=MAC,
                ifindex=index,
                state=PERMANENT,
            )
            routes.route(
                "add",
                family=_FAMILY[version],
                dst="default",
                gateway=_GATEWAY[version],
                oif=index,
                flags=_ONLINK,
                prefsrc=own[0],
            )


def _apply(settings: dict[str, str]) -> None:
    """Write kernel settings of the network this process is in; one it does not know is no harm."""
    for name, value in settings.items():
        with contextlib.suppress(OSError):
            Path("/proc/sys", name).write_text(value, encoding="ascii")


_SIOCETHTOOL = 0x8946
# ETHTOOL_STXCSUM, STSO, SGSO, SGRO: checksums must be in the frames, and frames must be packets.
_SWITCHES = (0x17, 0x1F, 0x24, 0x2C)


def _switch_offloads_off(interface: str) -> None:
    """Make the interface send finished packets: checksums filled in, nothing glued together."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in _SWITCHES:
            value = ctypes.create_string_buffer(struct.pack("=II", command, 0), 8)
            request = struct.pack("=16sQ16x", interface.encode(), ctypes.addressof(value))
            with contextlib.suppress(OSError):
                fcntl.ioctl(control, _SIOCETHTOOL, request)


@contextlib.contextmanager
def inside(site: SiteNetwork) -> Iterator[None]:
    """Be in the site's network for a while; what is started there stays there."""
    back = open_network()
    join_network(site.descriptor)
    try:
        yield
    finally:
        join_network(back)
        os.close(back)
