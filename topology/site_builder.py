"""Makes sites out of [[site]] tables: places looked up, regions inherited."""

from __future__ import annotations

from foundation.text import Text
from topology.gazetteer import Gazetteer, Place, RegionKind
from topology.interface_builder import InterfaceBuilder
from topology.model import Interface, Site
from topology.site_schema import SiteFile, SiteTable
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
    interfaces = InterfaceBuilder(file.carriers, problems)
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
        sites[table.name] = _site(table, gazetteer, key, problems, interfaces.build(table, key))
    interfaces.note_ambiguous(sites)
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
