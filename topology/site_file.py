"""Reads a site file: strict TOML in, a checked Network out, every fault named at once."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import msgspec

from foundation.input_files import read_input
from foundation.text import Text
from foundation.toml_text import decoded, parse_toml
from topology.gazetteer import Gazetteer, bundled_gazetteer
from topology.mesh import coverage_notes, plan_streams
from topology.model import Site, Target
from topology.network import Mesh, Network, Road
from topology.presets import load_preset, preset_names
from topology.selection import selection_warnings
from topology.site_builder import build_sites, text_of
from topology.site_references import check_links, check_meshes, check_roads, check_targets
from topology.site_schema import SiteFile
from topology.source_lines import SourceLines
from topology.strict import Problems, check, suggestion
from topology.valid_part import doubtful_words, valid_part

OWN_SOURCE = {"document": {"en": "Set by the operator", "zh": "运营方自定义"}}
SITE_FILE = Text("site file", "站点文件")
_STAND_INS: dict[str, Any] = {"network": {"name": "network"}, "site": []}
DEFAULT_MESHES = (Mesh(name="all"),)


def load_network(path: pathlib.Path) -> Network:
    """Read, check and return the network of a site file.

    Raises ConfigError, with every fault's line, key and nearest known word. What is odd but
    allowed (a target that selects nothing) is in `Network.warnings`.
    """
    return parse_network(decoded(lambda: read_input(path), path, SITE_FILE), path)


def parse_network(text: str, path: pathlib.Path) -> Network:
    """Return the network of a site file's text; `path` names it in messages."""
    raw = parse_toml(text, path)
    problems = Problems(path, SourceLines(text))
    _fill_in(raw)
    check(raw, SiteFile, (), problems)
    part: dict[str, Any] | None = raw
    if problems.found:
        problems.in_doubt = doubtful_words(raw, problems)
        part = valid_part(raw, SiteFile, problems, _STAND_INS)
        if part is None:
            problems.raise_if_any()
    network = _build(msgspec.convert(part, SiteFile), raw, problems)
    return dataclasses.replace(network, text=text)


def _fill_in(raw: dict[str, Any]) -> None:
    """Let a plain string be a title, and let the user's own targets go without a source."""
    targets = raw.get("target")
    tables = [t for t in targets if isinstance(t, dict)] if isinstance(targets, list) else []
    for table in tables:
        table.setdefault("source", OWN_SOURCE)
        if isinstance(table["source"], dict):
            table["source"] = {k: _both(v, k) for k, v in table["source"].items()}
    for group in (tables, raw.get("region"), raw.get("place")):
        for table in group if isinstance(group, list) else []:
            for key in ("title", "group_title"):
                if isinstance(table, dict) and key in table:
                    table[key] = _both(table[key], "title")


def _both(value: Any, key: str) -> Any:
    if isinstance(value, str) and key in ("title", "document", "issuer", "clause"):
        return {"en": value, "zh": value}
    return value


def _build(file: SiteFile, raw: dict[str, Any], problems: Problems) -> Network:
    """Check what goes beyond types, and put the network together."""
    gazetteer = bundled_gazetteer().with_more(file.place, file.region)
    sites = build_sites(file, gazetteer, problems)
    problems.in_doubt |= doubtful_words(raw, problems)
    targets = _targets(file, problems)
    check_meshes(file.mesh, sites, gazetteer, problems)
    check_targets(file.target, sites, gazetteer, problems)
    roads = _roads(file.distance, sites, problems)
    network = Network(
        name=file.network.name,
        title=text_of(file.network.title, file.network.name),
        year=file.network.year,
        sites=sites,
        carriers=_carriers(file, sites, gazetteer),
        meshes=file.mesh or DEFAULT_MESHES,
        targets=targets,
        settings=file.settings,
        budget=file.budget,
        roads=roads,
        links=file.link,
    )
    check_links(file.link, sites, problems)
    check_roads(file.distance, network, problems)
    problems.raise_if_any()
    warnings = selection_warnings(network, plan_streams(network))
    return dataclasses.replace(network, warnings=(*warnings, *coverage_notes(network)))


def _targets(file: SiteFile, problems: Problems) -> tuple[Target, ...]:
    """Return the targets of the presets, then the file's own; one of the same name replaces."""
    targets: dict[str, Target] = {}
    for number, name in enumerate(file.network.presets):
        if name in preset_names():
            targets.update({t.name: t for t in load_preset(name).targets})
        else:
            hint = suggestion(name, preset_names())
            problems.add(
                ("network", "presets", number),
                f"no preset is called `{name}`{hint.en}",
                f"没有名为 `{name}` 的预设{hint.zh}",
            )
    targets.update({t.name: t for t in file.target})
    # Two paths are compared by their round trips, which need no clock, whatever is written; IPDV
    # is that of neighbouring round trips.
    return tuple(
        msgspec.structs.replace(target, direction="round_trip")
        if target.kind in ("comparison", "ipv6_parity") or _is_ipdv(target)
        else target
        for target in targets.values()
    )


def _is_ipdv(target: Target) -> bool:
    return target.kind == "variation" and target.variation == "ipdv"


def _roads(
    tables: tuple[Road, ...], sites: dict[str, Site], problems: Problems
) -> dict[tuple[str, str], Road]:
    roads: dict[tuple[str, str], Road] = {}
    for number, road in enumerate(tables):
        key = (min(road.between), max(road.between))
        for end in road.between:
            if end not in sites and end not in problems.in_doubt:
                hint = suggestion(end, sites)
                problems.add(
                    ("distance", number, "between"),
                    f"no site is called `{end}`{hint.en}",
                    f"没有名为 `{end}` 的站点{hint.zh}",
                )
        if key[0] == key[1] or key in roads:
            problems.add(
                ("distance", number, "between"),
                f"the distance between `{key[0]}` and `{key[1]}` is given twice, or is to itself; "
                "keep one",
                f"`{key[0]}` 与 `{key[1]}` 的距离重复给出，或两端为同一站点；请只保留一条",
            )
        roads[key] = road
    return roads


def _carriers(file: SiteFile, sites: dict[str, Site], gazetteer: Gazetteer) -> dict[str, Text]:
    """Return the titles of the declared carriers, then of those the sites use undeclared."""
    titles = {name: _carrier_title(name, gazetteer) for name in file.carriers}
    for name, table in file.carriers.items():
        if table.title is not None:
            titles[name] = text_of(table.title, name)
    for site in sites.values():
        for interface in site.interfaces:
            titles.setdefault(interface.carrier, _carrier_title(interface.carrier, gazetteer))
    return titles


def _carrier_title(name: str, gazetteer: Gazetteer) -> Text:
    known = gazetteer.carriers.get(name)
    return Text(name, name) if known is None else known.title
