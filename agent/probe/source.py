"""Where a probe run leaves from: the address and the interface that it was given.

An engine takes both as one source, such as ``192.0.2.1%eth0`` (probes.addresses.split_source).
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.probe.targets import IpVersion, ResolvedTarget
from foundation.errors import UsageError
from foundation.literals import Address, AddressError, fault_of, read_address
from foundation.reasons import reason_of
from foundation.text import Text
from probes.addresses import socket_address
from probes.remark import Remark
from probes.sockets.descriptors import new_socket
from probes.sockets.opening import is_ours
from probes.sockets.sources import source_addresses

_DISCARD_PORT = 9  # nothing is sent there
_OTHER_LINK = Text(
    "{targets} is on another interface than --interface.",
    "{targets} 不在 --interface 所指的接口上。",
)


@dataclass(frozen=True, slots=True)
class ProbeSource:
    """What every target is probed from; the system chooses what is absent."""

    source: Address | None = None
    interface: str | None = None

    def ip_version(self, wanted: IpVersion | None) -> IpVersion | None:
        """Return which addresses of names fit. Raises UsageError for a source of another family."""
        if self.source is None:
            return wanted
        if wanted not in (None, self.source.version):
            raise UsageError(
                f"--source {self.source} is not an IPv{wanted} address, as --ipv{wanted} requires.",
                f"--source {self.source} 不是 IPv{wanted} 地址，与 --ipv{wanted} 不符。",
                source=str(self.source),
            )
        return 6 if self.source.version == 6 else 4

    def place(self, targets: Sequence[ResolvedTarget]) -> list[ResolvedTarget]:
        """Return the targets with the source of each, or why there is none."""
        return _held_to_their_sources([self._placed(target) for target in targets])

    def _placed(self, target: ResolvedTarget) -> ResolvedTarget:
        if target.address is None or (self.source is None and self.interface is None):
            return target
        if self.interface is None:
            return replace(target, source=str(self.source))
        zone = target.address.partition("%")[2]
        if zone not in ("", self.interface):
            return replace(
                target, address=None, error=Remark("target_on_other_interface", _OTHER_LINK)
            )
        try:
            host = str(self.source or _source_by(self.interface, target.address))
        except OSError as error:
            return replace(target, address=None, error=_no_way(self.interface, error))
        return replace(target, source=f"{host.partition('%')[0]}%{self.interface}")


def _held_to_their_sources(targets: list[ResolvedTarget]) -> list[ResolvedTarget]:
    """Give IPv6 targets beyond the link the source that the system chooses now.

    Were that address to go in mid-run, the system would continue from a link-local one, which no
    router forwards: all would be lost. From a source that is gone, probes pause, which is told.
    """
    chosen = [
        number
        for number, target in enumerate(targets)
        if target.source is None and _is_beyond_the_link(target.address)
    ]
    packed = [(ipaddress.IPv6Address(targets[number].address).packed, 0) for number in chosen]
    placed = targets.copy()
    with contextlib.suppress(OSError):  # what cannot be asked is chosen packet by packet, as ever
        for number, source in zip(chosen, source_addresses(socket.AF_INET6, packed), strict=True):
            if source and not (address := ipaddress.IPv6Address(source)).is_link_local:
                placed[number] = replace(targets[number], source=str(address))
    return placed


def _is_beyond_the_link(address: str | None) -> bool:
    return (
        address is not None and ":" in address and not ipaddress.IPv6Address(address).is_link_local
    )


def read_probe_source(source: str | None, interface: str | None) -> ProbeSource:
    """Return where probes leave from. Raises UsageError for what this machine does not have."""
    if interface is not None:
        check_interface(interface)
    if source is None:
        return ProbeSource(None, interface)
    return ProbeSource(read_own_address(source, interface), interface)


def check_interface(name: str) -> None:
    """Raise UsageError where this machine has no such interface, with those that it has."""
    names = [known for _, known in socket.if_nameindex()]
    if name not in names:
        shown = ", ".join(names)
        raise UsageError(
            f"There is no interface {name!r} on this machine; it has: {shown}.",
            f"本机没有接口 {name!r}；现有接口：{shown}。",
            interface=name,
        )


def read_own_address(text: str, interface: str | None = None) -> Address:
    """Return an address of this machine; one that is link-local may owe its zone to `interface`.

    Raises UsageError.
    """
    try:
        address = read_address(text)
        if interface and address is not None and address.is_link_local and "%" not in text:
            address = read_address(f"{address}%{interface}") if address.version == 6 else address
    except AddressError as error:
        raise UsageError(f"--source: {error.text.en}.", f"--source：{error.text.zh}。") from error
    if address is None:
        raise UsageError(
            f"--source takes an address of this machine, which {text!r} is not; name an interface "
            f"with --interface.",
            f"--source 须为本机的一个地址，{text!r} 不是地址；接口请用 --interface 指定。",
            source=text,
        )
    fault = fault_of(address)
    if fault is not None:
        raise UsageError(f"--source: {address} {fault.en}.", f"--source：{address} {fault.zh}。")
    zone = str(address).partition("%")[2]
    if interface and zone not in ("", interface):
        raise UsageError(
            f"--source {address} is on another interface than --interface {interface}.",
            f"--source {address} 与 --interface {interface} 不是同一接口。",
            source=text,
        )
    if not is_ours(str(address)):
        raise UsageError(
            f"--source {address} is not an address of this machine; check `ip address`. Behind "
            "1:1 NAT, give the local address.",
            f"--source {address} 不是本机地址；请用 `ip address` 查看。位于 1:1 NAT 之后时，"
            "请填写本地地址。",
            source=text,
        )
    return address


def _source_by(interface: str, address: str) -> str:
    """Return what address the system would leave from by an interface. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with new_socket(family, socket.SOCK_DGRAM, interface=interface) as trial:
        trial.connect(socket_address(address, _DISCARD_PORT))
        return str(trial.getsockname()[0])


def _no_way(interface: str, error: OSError) -> Remark:
    reason = reason_of(error)
    text = Text(
        f"No probe can be sent to {{targets}} by {interface} ({reason.en}); check `ip address "
        f"show {interface}` and `ip route`.",
        f"无法经由 {interface} 向 {{targets}} 发送探测包（{reason.zh}）；请用 `ip address show "
        f"{interface}` 和 `ip route` 检查。",
    )
    return Remark("no_way_by_interface", text)
