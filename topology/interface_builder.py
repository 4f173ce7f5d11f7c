"""Makes interfaces out of [[site.interface]] tables: carriers declared, addresses checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from foundation.literals import AddressError, fault_of, read_address
from foundation.text import Text
from probes.stream import ip_version_of
from topology.model import Interface, Site
from topology.site_schema import InterfaceTable, SiteTable
from topology.source_lines import Key
from topology.strict import Problems, suggestion


class InterfaceBuilder:
    """Builds the interfaces of one file's sites, and knows which addresses are taken.

    Where `carriers` are declared, an interface has one of them. Faults go to `problems`: nothing is
    raised, and what is sound is built all the same.
    """

    def __init__(self, carriers: Collection[str], problems: Problems) -> None:
        self._carriers, self._problems = carriers, problems
        self._addresses: dict[str, Key] = {}  # where each was first given
        self._local: list[tuple[Interface, Key]] = []  # interfaces behind 1:1 NAT

    def build(self, table: SiteTable, key: Key) -> tuple[Interface, ...]:
        """Return the interfaces of the site at `key`, one for each carrier and IP version."""
        problems = self._problems
        found: dict[str, Interface] = {}
        for number, row in enumerate(table.interface):
            at = (*key, "interface", number)
            self._check_carrier(row, at)
            local = _local(row, at, problems)
            for name, address in _addresses(row, at, problems):
                interface = Interface(
                    id=f"{table.name}.{row.carrier}.v{ip_version_of(address)}",
                    site=table.name,
                    carrier=row.carrier,
                    address=address,
                    local=local
                    if local and ip_version_of(local) == ip_version_of(address)
                    else None,
                )
                if address in self._addresses:
                    first = problems.place(self._addresses[address])
                    problems.add(
                        (*at, name),
                        f"address {address} is already in use (at {first}); one interface, one "
                        "address",
                        f"地址 {address} 已被使用（见 {first}）；每个接口须有各自的地址",
                    )
                elif interface.id in found:
                    _add_second_address(interface, (*at, name), problems)
                self._addresses.setdefault(address, (*at, name))
                if found.setdefault(interface.id, interface) is interface and interface.local:
                    self._local.append((interface, at))
        return tuple(found.values())

    def _check_carrier(self, row: InterfaceTable, at: Key) -> None:
        if self._carriers and row.carrier not in {*self._carriers, *self._problems.in_doubt}:
            hint = suggestion(row.carrier, self._carriers)
            self._problems.add(
                (*at, "carrier"),
                f"carrier `{row.carrier}` is not declared under [carriers]{hint.en}",
                f"运营商 `{row.carrier}` 未在 [carriers] 中声明{hint.zh}",
            )

    def note_ambiguous(self, sites: Mapping[str, Site]) -> None:
        """Note local addresses that stand for two of one site, or are what others call an address.

        Two sites may well have the same one: private addresses are of their own networks.
        """
        owners = {one.address: one for site in sites.values() for one in site.interfaces}
        first: dict[tuple[str, str], Interface] = {}
        for interface, key in self._local:
            here = interface.local or ""
            other = owners.get(here)
            before = first.setdefault((interface.site, here), interface)
            if before is not interface:
                self._problems.add(
                    (*key, "local"),
                    f"{here} is given for both {before.address} and {interface.address} of site "
                    f"`{interface.site}`; each needs its own address on the machine",
                    f"{here} 同时对应站点 `{interface.site}` 的 {before.address} 和 "
                    f"{interface.address}；每个地址在本机须各有其本地地址",
                )
            elif other is not None and other is not interface:
                self._problems.add(
                    (*key, "local"),
                    f"{here} is also the address of site `{other.site}` ({other.carrier}), which a "
                    "machine that has it itself cannot reach; look up which one is meant",
                    f"{here} 也是站点 `{other.site}`（{other.carrier}）的地址；"
                    "本机若自有该地址则无法到达对方，请确认所指",
                )


def _add_second_address(interface: Interface, key: Key, problems: Problems) -> None:
    version = interface.ip_version
    problems.add(
        key,
        f"site `{interface.site}` already has an IPv{version} address on carrier "
        f"`{interface.carrier}`; keep one, or name a second carrier",
        f"站点 `{interface.site}` 在运营商 `{interface.carrier}` 上已有 IPv{version} 地址；"
        "请只保留一个，或另设一个运营商名",
    )


def _addresses(row: InterfaceTable, at: Key, problems: Problems) -> list[tuple[str, str]]:
    """Return the (key, address) pairs of an interface that are sound, in canonical form."""
    given = [("address", row.address), ("ipv4", row.ipv4), ("ipv6", row.ipv6)]
    pairs = [(name, value) for name, value in given if value is not None]
    if not pairs:
        problems.add(
            at,
            "the interface has no `address` (or `ipv4`, `ipv6`)",
            "接口缺少 `address`（或 `ipv4`、`ipv6`）",
        )
    sound: list[tuple[str, str]] = []
    for name, value in pairs:
        fault = _address_fault(name, value)
        if fault is None:
            sound.append((name, str(read_address(value))))
        else:
            problems.add((*at, name), fault.en, fault.zh)
    return sound


def _local(row: InterfaceTable, at: Key, problems: Problems) -> str | None:
    """Return the address that stands for one of the interface's on its own machine, if sound."""
    if row.local is None:
        return None
    fault = _address_fault("local", row.local)
    if fault is None:
        local = str(read_address(row.local))
        given = [value for value in (row.address, row.ipv4, row.ipv6) if value is not None]
        if any((":" in value) == (":" in local) for value in given):
            return local
        fault = Text(
            f"`{row.local}` is of another IP version than the interface's addresses; it replaces "
            f"one of them behind 1:1 NAT",
            f"`{row.local}` 与接口地址的 IP 版本不同；它应是 1:1 NAT 之后与之对应的本地地址",
        )
    problems.add((*at, "local"), fault.en, fault.zh)
    return None


def _address_fault(name: str, value: str) -> Text | None:
    """Return what is wrong with an address, or None."""
    if "/" in value:
        return Text(
            f"`{value}` has a prefix length; write only the address",
            f"`{value}` 带有前缀长度；请只写地址",
        )
    try:
        address = read_address(value)
    except AddressError as error:
        return Text(f"`{value}` {error.reason.en}", f"`{value}` {error.reason.zh}")
    if address is None:
        return Text(
            f"`{value}` is not an IP address; write an IPv4 or IPv6 address (names are not "
            f"resolved, because their addresses may change)",
            f"`{value}` 不是 IP 地址；请填写 IPv4 或 IPv6 地址（不解析域名，因为其含义会变化）",
        )
    wanted = {"ipv4": 4, "ipv6": 6}.get(name, address.version)
    if address.version != wanted:
        return Text(
            f"`{value}` is an IPv{address.version} address under `{name}`; move it",
            f"`{name}` 下的 `{value}` 是 IPv{address.version} 地址；请改放到对应的键",
        )
    if address.version == 6 and address.is_link_local:
        return Text(
            f"`{value}` is link-local: no other site can reach it",
            f"`{value}` 是链路本地地址，其他站点无法到达",
        )
    fault = fault_of(address)
    return fault and Text(f"`{value}` {fault.en}", f"`{value}` {fault.zh}")
