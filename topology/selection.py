"""Which paths a target speaks of: selectors and relations, as masks over all paths at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from foundation.text import Text
from probes.protocols.registry import protocol_names
from topology.model import Ends, Path, PlannedStream, Site, Target
from topology.network import Network

Mask = NDArray[np.bool_]
MEASURED_KINDS = frozenset(
    {"delay", "loss", "delay_ratio", "variation", "improvement", "comparison", "ipv6_parity"}
)


def site_matches(ends: Ends, site: Site) -> bool:
    """Return whether a site fulfils every field of a selector (any word of a field will do).

    `carriers` asks here for an interface on one of them; on a path it binds the interface used.
    """
    return (
        _among(ends.sites, {site.name})
        and _among(ends.cities, {site.city})
        and _among(ends.metros, {site.metro})
        and _among(ends.provinces, {site.province})
        and _among(ends.hubs, {site.hub})
        and _among(ends.roles, site.roles)
        and _among(ends.labels, site.labels)
        and _among(ends.carriers, {i.carrier for i in site.interfaces})
        and (ends.important is None or ends.important == site.important)
    )


def _among(wanted: Sequence[str], has: Iterable[str | None]) -> bool:
    return not wanted or any(word in wanted for word in has)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PathTable:
    """Every planned path once, as columns of n rows; indices point into `network.sites`."""

    paths: tuple[Path, ...]
    source: NDArray[np.int64]
    destination: NDArray[np.int64]
    source_carrier: NDArray[np.str_]
    destination_carrier: NDArray[np.str_]
    protocols: dict[str, Mask]  # which paths carry a stream of each protocol


def path_table(network: Network, streams: Sequence[PlannedStream]) -> PathTable:
    """Return the paths of a plan, in the order in which the plan first names them."""
    rows: dict[str, int] = {}
    paths: list[Path] = []
    protocols: dict[str, list[int]] = {name: [] for name in protocol_names()}
    last: Path | None = None
    row = -1
    for stream in streams:
        if stream.path is not last:
            last = stream.path
            row = rows.setdefault(last.id, len(paths))
            if row == len(paths):
                paths.append(last)
        protocols[stream.type_p.protocol].append(row)
    masks = {name: np.zeros(len(paths), dtype=np.bool_) for name in protocols}
    for name, used in protocols.items():
        masks[name][used] = True
    index = network.site_index
    return PathTable(
        paths=tuple(paths),
        source=np.array([index[p.source.site] for p in paths], dtype=np.int64),
        destination=np.array([index[p.destination.site] for p in paths], dtype=np.int64),
        source_carrier=np.array([p.source.carrier for p in paths], dtype=np.str_),
        destination_carrier=np.array([p.destination.carrier for p in paths], dtype=np.str_),
        protocols=masks,
    )


def _codes(values: Iterable[Hashable | None]) -> NDArray[np.int64]:
    """Number equal values alike; what is absent gets -1."""
    numbers: dict[Hashable, int] = {}
    return np.array(
        [-1 if v is None else numbers.setdefault(v, len(numbers)) for v in values], dtype=np.int64
    )


def _relation(name: str, network: Network, table: PathTable) -> Mask:
    """Return where one relation holds; an end that lies in no region shares none."""
    same, _, what = name.partition("_")
    if what == "carrier":
        equal = np.asarray(table.source_carrier == table.destination_carrier, dtype=np.bool_)
    else:
        codes = _codes(getattr(site, what) for site in network.sites.values())
        a, b = codes[table.source], codes[table.destination]
        equal = (a == b) & (a >= 0)
    return equal if same == "same" else ~equal


def _end(ends: Ends, network: Network, index: NDArray[np.int64], carrier: NDArray[np.str_]) -> Mask:
    """Return on which paths one end fulfils a selector."""
    sites = np.array([site_matches(ends, s) for s in network.sites.values()], dtype=np.bool_)
    mask = sites[index]
    if ends.carriers:
        mask = mask & np.isin(carrier, ends.carriers)
    return mask


def ends_mask(target: Target, network: Network, table: PathTable) -> Mask:
    """Return on which paths both ends are what a target names, relations left aside."""

    def ends(source: Ends, destination: Ends) -> Mask:
        return _end(source, network, table.source, table.source_carrier) & _end(
            destination, network, table.destination, table.destination_carrier
        )

    mask = ends(target.between, target.between)
    if target.from_ is not None or target.to is not None:
        a, b = target.from_ or Ends(), target.to or Ends()
        mask = mask & (ends(a, b) | ends(b, a) if target.both_ways else ends(a, b))
    return mask


def _related(target: Target, network: Network, table: PathTable) -> Mask:
    """Return on which paths a target's ends and relations hold, protocols left aside."""
    mask = ends_mask(target, network, table)
    for relation in target.relations:
        mask = mask & _relation(relation, network, table)
    return mask


def select(target: Target, network: Network, table: PathTable) -> Mask:
    """Return the mask of the paths that a target binds."""
    mask = _related(target, network, table)
    measured = np.zeros(len(table.paths), dtype=np.bool_)
    for protocol in target.protocols:
        measured |= table.protocols[protocol]
    return mask & measured


def selection_warnings(network: Network, streams: Sequence[PlannedStream]) -> tuple[Text, ...]:
    """Return a sentence for each target, mesh or site that comes to nothing, and why."""
    table = path_table(network, streams)
    warnings = [
        Text(
            f"target `{target.name}` ({target.title.en}) selects no path: {why.en}",
            f"指标 `{target.name}`（{target.title.zh}）没有选中任何路径：{why.zh}",
        )
        for target in network.targets
        if target.kind in MEASURED_KINDS and not select(target, network, table).any()
        for why in [_why_nothing(target, network, table)]
    ]
    probed = {i for p in table.paths for i in (p.source.site, p.destination.site)}
    warnings += [
        Text(
            f"site `{name}` is on no path"
            + ("" if site.interfaces else ": it has no interface; add [[site.interface]]"),
            f"站点 `{name}` 不在任何路径上"
            + ("" if site.interfaces else "：它没有接口；请添加 [[site.interface]]"),
        )
        for name, site in network.sites.items()
        if name not in probed
    ]
    return tuple(warnings)


def _why_nothing(target: Target, network: Network, table: PathTable) -> Text:
    """Return the first reason, from the sites outwards, why a target selects nothing."""
    if not table.paths:
        return Text("no path is planned at all", "没有规划任何路径")
    for key, ends in (("between", target.between), ("from", target.from_), ("to", target.to)):
        if ends is not None and not any(site_matches(ends, s) for s in network.sites.values()):
            said = _said(ends)
            return Text(f"no site matches `{key}` ({said})", f"没有站点符合 `{key}`（{said}）")
    if not ends_mask(target, network, table).any():
        alone = [n for n, s in network.sites.items() if site_matches(target.between, s)]
        if len(alone) == 1 and target.from_ is None and target.to is None:
            said = _said(target.between)
            return Text(
                f"only site `{alone[0]}` matches `between` ({said}), and a path needs two",
                f"只有站点 `{alone[0]}` 符合 `between`（{said}），而一条路径需要两个站点",
            )
        return Text(
            "the sites it names exist, but no mesh plans a path between them",
            "所指站点存在，但没有测量组在它们之间规划路径",
        )
    if not _related(target, network, table).any():
        relations = ", ".join(target.relations)
        return Text(
            f"no planned path has the relations {relations}", f"没有路径满足关系 {relations}"
        )
    wanted = ", ".join(target.protocols)
    return Text(
        f"its paths carry none of the protocols {wanted}", f"其路径未测量协议 {wanted} 中的任何一种"
    )


def _said(ends: Ends) -> str:
    """Return the fields of a selector that are set, as a site file writes them."""
    stated = [(field, getattr(ends, field)) for field in ends.__struct_fields__]
    return ", ".join(
        f"{field} {' / '.join(value) if isinstance(value, tuple) else str(value).lower()}"
        for field, value in stated
        if value not in ((), None)
    )
