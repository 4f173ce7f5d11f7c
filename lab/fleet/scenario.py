"""Reads a scenario: a fleet's site file and what the WAN between its sites does."""

from __future__ import annotations

import importlib.resources
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from foundation.errors import UsageError
from foundation.input_files import read_input
from foundation.text import Text
from foundation.toml_text import decoded, parse_toml
from lab.fleet.impairment import PathTable
from lab.fleet.scenario_schema import ClockTable, ModelTable, PathTableEntry, ScenarioFile
from topology.model import Interface
from topology.network import Network
from topology.site_file import load_network
from topology.source_lines import SourceLines
from topology.strict import Problems, check, suggestion

_Key = tuple[str | int, ...]  # where in the file


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fleet and its WAN. `interfaces` number the rows of `table`; `clocks` has one per agent."""

    name: str
    title: Text
    sites_file: Path
    network: Network
    seed: int
    seconds: float
    window_s: float
    interfaces: tuple[Interface, ...]
    table: PathTable
    clocks: dict[str, ClockTable]

    def addresses(self) -> list[str]:
        """Return the addresses in the order of the table."""
        return [interface.address for interface in self.interfaces]


def bundled_scenarios() -> list[str]:
    """Return the names of the scenarios that ship with the product."""
    files = importlib.resources.files("lab.fleet.scenarios").iterdir()
    names = (file.name for file in files)
    return sorted(
        n.removesuffix(".toml") for n in names if n.endswith(".toml") and ".sites." not in n
    )


def find_scenario(name: str) -> Path:
    """Return the file of a bundled scenario, or of a path given by the user."""
    if name.endswith(".toml") or "/" in name:
        return Path(name)
    if name in bundled_scenarios():
        return Path(str(importlib.resources.files("lab.fleet.scenarios").joinpath(f"{name}.toml")))
    hint = suggestion(name, bundled_scenarios())
    raise UsageError(
        f"There is no scenario {name!r}{hint.en} (or give the path of a .toml file)",
        f"没有名为 {name!r} 的场景{hint.zh}（也可以给出 .toml 文件的路径）",
        key=name,
    )


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario file and its site file. Raises ConfigError naming every fault."""
    text = decoded(lambda: read_input(path), path, Text("scenario file", "场景文件"))
    raw = parse_toml(text, path)
    problems = Problems(path, SourceLines(text))
    check(raw, ScenarioFile, (), problems)
    problems.raise_if_any()
    file = msgspec.convert(raw, ScenarioFile)
    sites_file = path.parent / file.scenario.sites
    network = load_network(sites_file)
    _check_references(file, network, problems)
    problems.raise_if_any()
    interfaces = tuple(i for site in network.sites.values() for i in site.interfaces)
    title = file.scenario.title or network.title
    clocks = {name: ClockTable(site=name) for name in network.sites}
    clocks.update({clock.site: clock for clock in file.clock})
    return Scenario(
        name=file.scenario.name,
        title=title if isinstance(title, Text) else Text(title, title),
        sites_file=sites_file,
        network=network,
        seed=file.scenario.seed,
        seconds=file.scenario.seconds,
        window_s=file.scenario.window_s,
        interfaces=interfaces,
        table=_table_of(file, network, interfaces),
        clocks=clocks,
    )


def _check_references(file: ScenarioFile, network: Network, problems: Problems) -> None:
    """Note every site or carrier that the site file does not have."""
    for name, key in _sites_named(file):
        _known(name, network.sites, ("site", "站点"), key, problems)
    for name, key in _carriers_named(file):
        _known(name, network.carriers, ("carrier", "运营商"), key, problems)


def _sites_named(file: ScenarioFile) -> Iterator[tuple[str, _Key]]:
    for i, path in enumerate(file.path):
        yield path.from_.partition(".")[0], ("path", i, "from")
        yield path.to.partition(".")[0], ("path", i, "to")
        yield from ((name, ("path", i, "via")) for name in path.via)
    for i, exchange in enumerate(file.exchange):
        yield from ((name, ("exchange", i, "at")) for name in exchange.at)
    for i, clock in enumerate(file.clock):
        yield clock.site, ("clock", i, "site")


def _carriers_named(file: ScenarioFile) -> Iterator[tuple[str, _Key]]:
    for i, path in enumerate(file.path):
        for field, end in (("from", path.from_), ("to", path.to)):
            carrier = end.partition(".")[2]
            if carrier:
                yield carrier, ("path", i, field)
    for i, exchange in enumerate(file.exchange):
        yield from ((name, ("exchange", i, "carriers")) for name in exchange.carriers)


def _known(
    name: str,
    words: Iterable[str],
    kind: tuple[str, str],
    key: _Key,
    problems: Problems,
) -> None:
    known = list(words)
    if name not in known:
        hint = suggestion(name, known)
        problems.add(
            key,
            f"the site file has no {kind[0]} {name!r}{hint.en}",
            f"站点文件中没有{kind[1]} {name!r}{hint.zh}",
        )


def _table_of(file: ScenarioFile, network: Network, interfaces: tuple[Interface, ...]) -> PathTable:
    """Return what happens between every two interfaces of one IP version."""
    table = PathTable.without_paths(len(interfaces))
    for row, source in enumerate(interfaces):
        for column, destination in enumerate(interfaces):
            same = source.ip_version == destination.ip_version
            if same and source.site != destination.site:
                table.delay_ns[row, column] = _modelled_ns(file, network, source, destination)
                table.jitter_ns[row, column] = file.model.jitter_us * 1e3
                table.loss_ratio[row, column] = file.model.loss_ratio
                table.hops[row, column] = file.model.hops
    for entry in file.path:
        _apply(table, entry, file.model, network, interfaces)
    return table


def _road_km(network: Network, way: list[str]) -> float:
    """Return the length of the roads from site to site along the way."""
    legs = itertools.pairwise(way)
    return sum(network.distance(a, b).road_km for a, b in legs if a != b)


def _modelled_ns(
    file: ScenarioFile, network: Network, source: Interface, destination: Interface
) -> float:
    """Return the one-way delay that follows from distance, equipment and where carriers meet."""
    model = file.model
    ways = [_road_km(network, [source.site, destination.site])]
    equipment_us = model.equipment_us
    pair = {source.carrier, destination.carrier}
    for exchange in file.exchange:
        if set(exchange.carriers) == pair and len(pair) == 2:
            ways = [
                _road_km(network, [source.site, place, destination.site]) for place in exchange.at
            ]
            equipment_us += exchange.equipment_us
            break
    return (min(ways) * model.us_per_km + equipment_us) * 1e3


def _matches(end: str, interface: Interface) -> bool:
    site, _, carrier = end.partition(".")
    return interface.site == site and carrier in ("", interface.carrier)


def _apply(
    table: PathTable,
    entry: PathTableEntry,
    model: ModelTable,
    network: Network,
    interfaces: tuple[Interface, ...],
) -> None:
    """Put one [[path]] into the table."""
    for row, source in enumerate(interfaces):
        for column, destination in enumerate(interfaces):
            there = _matches(entry.from_, source) and _matches(entry.to, destination)
            back = _matches(entry.to, source) and _matches(entry.from_, destination)
            versions = (None, source.ip_version)
            if not (there or (back and entry.both_ways)) or entry.ip_version not in versions:
                continue
            if source.ip_version == destination.ip_version:
                _change(table, (row, column), entry, model, network, (source, destination))


def _change(
    table: PathTable,
    at: tuple[int, int],
    entry: PathTableEntry,
    model: ModelTable,
    network: Network,
    ends: tuple[Interface, Interface],
) -> None:
    if entry.via:
        km = _road_km(network, [ends[0].site, *entry.via, ends[1].site])
        table.delay_ns[at] = (km * model.us_per_km + model.equipment_us) * 1e3
    changes = (
        (table.delay_ns, entry.delay_ms, 1e6),
        (table.jitter_ns, entry.jitter_us, 1e3),
        (table.loss_ratio, entry.loss_ratio, 1),
        (table.duplicate_ratio, entry.duplicate_ratio, 1),
        (table.reorder_ratio, entry.reorder_ratio, 1),
        (table.reorder_ns, entry.reorder_us, 1e3),
        (table.hops, entry.hops, 1),
    )
    for column, value, factor in changes:
        if value is not None:
            column[at] = value * factor
    if not entry.up:
        table.delay_ns[at] = float("nan")
