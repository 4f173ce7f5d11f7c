"""Makes sites out of [[site]] tables: places looked up, regions inherited, addresses checked."""

from __future__ import annotations

from foundation.literals import AddressError, fault_of, read_address
from foundation.text import Text
from probes.stream import ip_version_of
from topology.gazetteer import Gazetteer, Place, RegionKind
from topology.model import Interface, Site
from topology.site_schema import InterfaceTable, SiteFile, SiteTable
from topology.source_lines import Key
from topology.strict import Problems, suggestion

NOWHERE = "none"  # metro = "none" takes a site out of the region its place lies in
_REGION_ZH: dict[RegionKind, str] = {"metro": "都市圈", "province": "省份", "hub": "枢纽"}


def text_of(title: str | Text | None, name: str) -> Text:
    """Return a title in both languages; a plain string, or else the name, serves for both."""
    if isinstance(title, Text):
        return title
    return Text(title or name, title or name)


def build_sites(file: SiteFile, gazetteer: Gazetteer, problems: Problems) -> dict[str, Site]:
    """Return the sites by name, in file order; faults go to `problems`."""
    sites: dict[str, Site] = {}
    lines: dict[str, Key] = {}
    addresses: dict[str, Key] = {}
    local: list[tuple[Interface, Key]] = []
    for number, table in enumerate(file.site):
        key: Key = ("site", number)
        if table.name in sites:
            problems.add(
                (*key, "name"),
                f"site `{table.name}` is declared twice (first at "
                f"{problems.place(lines[table.name])}); rename one",
                f"站点 `{table.name}` 重复声明（首次见于 {problems.place(lines[table.name])}）；"
                "请改名",
            )
        lines.setdefault(table.name, (*key, "name"))
        interfaces = _interfaces(table, file, key, problems, addresses)
        local += [(one, (*key, "interface", _row(table, one))) for one in interfaces if one.local]
        sites[table.name] = _site(table, gazetteer, key, problems, interfaces)
    _note_ambiguous(local, sites, problems)
    if not sites and not problems.is_faulty(("site",)):
        problems.add(
            (),
            "the file declares no [[site]]; add two or more",
            "文件没有声明 [[site]]；请至少添加两个站点",
        )
    return sites


def _site(
    table: SiteTable,
    gazetteer: Gazetteer,
    key: Key,
    problems: Problems,
    interfaces: tuple[Interface, ...],
) -> Site:
    place = _place(table, gazetteer, key, problems)
    title = place.title if table.title is None and place else text_of(table.title, table.name)
    own = table.latitude_deg is not None and table.longitude_deg is not None
    latitude = table.latitude_deg if own else place and place.latitude_deg
    longitude = table.longitude_deg if own else place and place.longitude_deg
    return Site(
        name=table.name,
        title=title,
        latitude_deg=latitude or 0.0,
        longitude_deg=longitude or 0.0,
        position_uncertainty_km=(
            0.0 if own or place is None else gazetteer.uncertainty_km_of(place)
        ),
        city=gazetteer.city_of(place) if place else table.city or table.name,
        metro=_region("metro", table.metro, place, gazetteer, key, problems),
        province=_region("province", table.province, place, gazetteer, key, problems),
        hub=_region("hub", table.hub, place, gazetteer, key, problems),
        roles=frozenset(table.roles),
        important=table.important,
        external=table.external,
        labels=frozenset(table.labels) | frozenset(place.labels if place else ()),
        interfaces=interfaces,
        inventory=dict(table.inventory),
    )


def _place(table: SiteTable, gazetteer: Gazetteer, key: Key, problems: Problems) -> Place | None:
    """Return the place a site names; a site must name one, or give both coordinates."""
    has = (table.latitude_deg is not None, table.longitude_deg is not None)
    missing = "longitude_deg" if has[0] else "latitude_deg"
    if has[0] != has[1] and not problems.is_faulty((*key, missing)):
        problems.add(
            (*key, "latitude_deg" if has[0] else "longitude_deg"),
            f"site `{table.name}` gives only one coordinate; give latitude_deg and longitude_deg",
            f"站点 `{table.name}` 只给出一个坐标；请同时给出 latitude_deg 和 longitude_deg",
        )
    elif table.city is None and not any(has):
        problems.add(
            key,
            f"site `{table.name}` has no location; give `city`, or latitude_deg and longitude_deg",
            f"站点 `{table.name}` 没有说明位置；请给出 `city`，或 latitude_deg 和 longitude_deg",
        )
    if table.city is None:
        return None
    place = gazetteer.find(table.city)
    if place is None and table.city not in problems.in_doubt:
        words = [*gazetteer.places, *(p.title.zh for p in gazetteer.places.values())]
        hint = suggestion(table.city, words, limit=0)
        problems.add(
            (*key, "city"),
            f"no city is called `{table.city}`{_near_only(hint).en} (or declare it with [[place]])",
            f"没有名为 `{table.city}` 的城市{_near_only(hint).zh}（也可用 [[place]] 声明）",
        )
    return place


def _near_only(hint: Text) -> Text:
    """Return a suggestion only if it names a near word: seventy cities are no help."""
    return hint if hint.en.endswith("?") else Text("", "")


def _region(
    kind: RegionKind,
    given: str | None,
    place: Place | None,
    gazetteer: Gazetteer,
    key: Key,
    problems: Problems,
) -> str | None:
    """Return the region a site says it lies in, else that of its place."""
    if given is None:
        inherited: str | None = getattr(place, kind) if place else None
        return inherited
    if given == NOWHERE:
        return None
    if given not in gazetteer.names(kind) and given not in problems.in_doubt:
        hint = suggestion(given, [*gazetteer.names(kind), NOWHERE])
        problems.add(
            (*key, kind),
            f"no {kind} is called `{given}`{hint.en} (or declare it with [[region]])",
            f"没有名为 `{given}` 的{_REGION_ZH[kind]}{hint.zh}（也可用 [[region]] 声明）",
        )
    return given


def _interfaces(
    table: SiteTable,
    file: SiteFile,
    key: Key,
    problems: Problems,
    addresses: dict[str, Key],
) -> tuple[Interface, ...]:
    """Return a site's interfaces; `addresses` remembers where each address was first given."""
    found: dict[str, Interface] = {}
    for number, row in enumerate(table.interface):
        at = (*key, "interface", number)
        if file.carriers and row.carrier not in {*file.carriers, *problems.in_doubt}:
            hint = suggestion(row.carrier, file.carriers)
            problems.add(
                (*at, "carrier"),
                f"carrier `{row.carrier}` is not declared under [carriers]{hint.en}",
                f"运营商 `{row.carrier}` 未在 [carriers] 中声明{hint.zh}",
            )
        local = _local(row, at, problems)
        for name, address in _addresses(row, at, problems):
            interface = Interface(
                id=f"{table.name}.{row.carrier}.v{ip_version_of(address)}",
                site=table.name,
                carrier=row.carrier,
                address=address,
                local=local if local and ip_version_of(local) == ip_version_of(address) else None,
            )
            if address in addresses:
                first = problems.place(addresses[address])
                problems.add(
                    (*at, name),
                    f"address {address} is already in use (at {first}); one interface, one address",
                    f"地址 {address} 已被使用（见 {first}）；每个接口须有各自的地址",
                )
            elif interface.id in found:
                _add_second_address(interface, (*at, name), problems)
            addresses.setdefault(address, (*at, name))
            found.setdefault(interface.id, interface)
    return tuple(found.values())


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


def _row(table: SiteTable, interface: Interface) -> int:
    """Return which row an interface with a `local` was made of."""
    return next(
        number
        for number, row in enumerate(table.interface)
        if row.local
        and row.carrier == interface.carrier
        and ip_version_of(str(read_address(row.local))) == interface.ip_version
    )


def _note_ambiguous(
    local: list[tuple[Interface, Key]], sites: dict[str, Site], problems: Problems
) -> None:
    """Note local addresses that stand for two of one site, or are what others call an address.

    Two sites may well have the same one: private addresses are of their own networks.
    """
    owners = {one.address: one for site in sites.values() for one in site.interfaces}
    first: dict[tuple[str, str], Interface] = {}
    for interface, key in local:
        here = interface.local or ""
        other = owners.get(here)
        before = first.setdefault((interface.site, here), interface)
        if before is not interface:
            problems.add(
                (*key, "local"),
                f"{here} is given for both {before.address} and {interface.address} of site "
                f"`{interface.site}`; each needs its own address on the machine",
                f"{here} 同时对应站点 `{interface.site}` 的 {before.address} 和 "
                f"{interface.address}；每个地址在本机须各有其本地地址",
            )
        elif other is not None and other is not interface:
            problems.add(
                (*key, "local"),
                f"{here} is also the address of site `{other.site}` ({other.carrier}), which a "
                "machine that has it itself cannot reach; look up which one is meant",
                f"{here} 也是站点 `{other.site}`（{other.carrier}）的地址；"
                "本机若自有该地址则无法到达对方，请确认所指",
            )


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
