"""Checks that what meshes, targets and distances name exists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from foundation.text import Text, listed
from probes.protocols.registry import protocol_of, protocols
from topology.gazetteer import Gazetteer, RegionKind
from topology.model import Ends, Site, Target
from topology.network import Link, Mesh, Network, Road, StreamChoice
from topology.source_lines import Key
from topology.strict import Problems, suggestion

LONGEST_AGE_S = 31_622_400  # a leap year

_MODEL_KINDS = {
    "sites": ("site", "站点"),
    "cities": ("city", "城市"),
    "metros": ("metro", "都市圈"),
    "provinces": ("province", "省份"),
    "hubs": ("hub", "枢纽"),
    "labels": ("label", "标签"),
    "carriers": ("carrier", "运营商"),
}

_REGIONS: tuple[tuple[str, RegionKind], ...] = (
    ("metros", "metro"),
    ("provinces", "province"),
    ("hubs", "hub"),
)


def check_ends(
    ends: Ends | None,
    key: Key,
    sites: Mapping[str, Site],
    gazetteer: Gazetteer | None,
    problems: Problems,
) -> None:
    """Note every word of a selector that names nothing known."""
    if ends is None:
        return
    known = _known_words(sites, gazetteer)
    for field, words in known.items():
        for word in getattr(ends, field):
            _check_word(word, field, words, (*key, field), problems)


def _known_words(sites: Mapping[str, Site], gazetteer: Gazetteer | None) -> dict[str, set[str]]:
    known: dict[str, set[str]] = {
        "sites": set(sites),
        "cities": {site.city for site in sites.values()},
        "labels": {label for site in sites.values() for label in site.labels},
        "carriers": {i.carrier for site in sites.values() for i in site.interfaces},
    }
    for field, kind in _REGIONS:
        named = {getattr(site, kind) for site in sites.values()} - {None}
        known[field] = named | (set(gazetteer.names(kind)) if gazetteer is not None else set())
    if gazetteer is not None:
        places = gazetteer.places.values()
        known["cities"] |= {gazetteer.city_of(place) for place in places}
        known["labels"] |= {label for place in places for label in place.labels}
    return known


def _check_word(word: str, field: str, known: Iterable[str], key: Key, problems: Problems) -> None:
    known = set(known)
    if word in known or word in problems.in_doubt:
        return
    en, zh = _MODEL_KINDS[field]
    hint = suggestion(word, known)
    problems.add(key, f"no {en} is called `{word}`{hint.en}", f"没有名为 `{word}` 的{zh}{hint.zh}")


def check_meshes(
    meshes: tuple[Mesh, ...],
    sites: Mapping[str, Site],
    gazetteer: Gazetteer | None,
    problems: Problems,
) -> None:
    """Note meshes of one name, selectors that name nothing, and keys that miss their kind.

    Without a gazetteer only what some site is or lies in has a name.
    """
    seen: set[str] = set()
    for number, mesh in enumerate(meshes):
        key: Key = ("mesh", number)
        if mesh.name in seen:
            problems.add(
                (*key, "name"),
                f"mesh `{mesh.name}` is declared twice; rename one",
                f"测量组 `{mesh.name}` 重复声明；请改名",
            )
        seen.add(mesh.name)
        for field in ("members", "a", "b"):
            check_ends(getattr(mesh, field), (*key, field), sites, gazetteer, problems)
        for field in ("pairs", "exclude"):
            for pair in getattr(mesh, field):
                for end in pair:
                    _check_word(end, "sites", sites, (*key, field), problems)
        if not problems.is_faulty((*key, "kind")):
            _check_kind(mesh, key, problems)
        _check_streams(mesh, key, sites, problems)


def _check_kind(mesh: Mesh, key: Key, problems: Problems) -> None:
    wrong = {
        "full": [f for f in ("a", "b", "pairs") if getattr(mesh, f)],
        "disjoint": [f for f in ("members", "pairs") if getattr(mesh, f) not in (Ends(), ())],
        "list": [f for f in ("members", "a", "b") if getattr(mesh, f) not in (Ends(), None)],
    }[mesh.kind]
    for field in wrong:
        problems.add(
            (*key, field),
            f"a mesh of kind `{mesh.kind}` has no `{field}`; remove it or change the kind",
            f"`{mesh.kind}` 类测量组没有 `{field}`；请删除该键或更改 kind",
        )
    lacks = {
        "full": False,
        "disjoint": mesh.a is None or mesh.b is None,
        "list": not mesh.pairs,
    }[mesh.kind]
    if lacks:
        need = "`a` and `b`" if mesh.kind == "disjoint" else "`pairs`"
        problems.add(
            key,
            f"mesh `{mesh.name}` of kind `{mesh.kind}` needs {need}",
            f"`{mesh.kind}` 类测量组 `{mesh.name}` 需要 {need.replace(' and ', ' 和 ')}",
        )


def _check_streams(mesh: Mesh, key: Key, sites: Mapping[str, Site], problems: Problems) -> None:
    if not mesh.stream:
        problems.add(
            key,
            f"mesh `{mesh.name}` has no stream; leave `stream` out or add one",
            f"测量组 `{mesh.name}` 没有测量流；请删除 `stream` 或添加一条",
        )
    for number, stream in enumerate(mesh.stream):
        at = (*key, "stream", number)
        protocol, size = protocol_of(stream.protocol), stream.payload_bytes
        if stream.port is not None and not protocol.has_ports:
            name = protocol.name
            problems.add(
                (*at, "port"), f"{name} has no port; remove it", f"{name} 没有端口；请删除"
            )
        sizes = protocol.sizes(authenticated=stream.authenticated)
        if sizes.packet is not None and size is not None and size < sizes.least:
            least, packet, by = sizes.least, sizes.packet, protocol.standard
            problems.add(
                (*at, "payload_bytes"),
                f"{size} bytes cannot carry {packet.en}; use {least} or more ({by.en})",
                f"{size} 字节装不下{packet.zh}；请用 {least} 或更大（{by.zh}）",
            )
        if stream.authenticated:
            _check_authenticated(stream, (*at, "authenticated"), sites, problems)


def _check_authenticated(
    stream: StreamChoice, key: Key, sites: Mapping[str, Site], problems: Problems
) -> None:
    if not protocol_of(stream.protocol).authenticates:
        signing = [each for each in protocols() if each.authenticates]
        names = listed([Text(each.name, each.name) for each in signing], "and")
        by = listed([each.standard for each in signing], "and")
        problems.add(
            key,
            f"only {names.en} can be authenticated ({by.en}); {stream.protocol} cannot: remove it",
            f"只有 {names.zh}（{by.zh}）支持认证，{stream.protocol} 不支持；请删除该键",
        )
    elif stream.destinations != "agents" and any(site.external for site in sites.values()):
        problems.add(
            key,
            "external sites have no key of ours; authenticated probes go to agents alone: add "
            '`destinations = "agents"`',
            '外部站点没有我方密钥，认证探测只能发往探针站点；请加上 `destinations = "agents"`',
        )


def check_targets(
    targets: tuple[Target, ...],
    sites: Mapping[str, Site],
    gazetteer: Gazetteer,
    problems: Problems,
) -> None:
    """Note targets of one name, selectors that name nothing, and limits that miss their kind."""
    seen: set[str] = set()
    for number, target in enumerate(targets):
        key: Key = ("target", number)
        if target.name in seen:
            problems.add(
                (*key, "name"),
                f"target `{target.name}` is declared twice; rename one",
                f"指标 `{target.name}` 重复声明；请改名",
            )
        seen.add(target.name)
        for field, ends in (
            ("between", target.between),
            ("from", target.from_),
            ("to", target.to),
            ("against", target.against),
        ):
            check_ends(ends, (*key, field), sites, gazetteer, problems)
        _check_limit(target, key, problems)


def _check_limit(target: Target, key: Key, problems: Problems) -> None:
    need = {
        "delay": "limit_ms",
        "variation": "limit_ms",
        "loss": "limit_ratio",
        "delay_ratio": "limit_ratio",
        "improvement": "limit_ratio",
        "inventory": "indicator",
        "one_hop": None,
        "comparison": "against",
        "ipv6_parity": None,
    }[target.kind]
    if need and getattr(target, need) is None:
        problems.add(
            key,
            f"target `{target.name}` of kind `{target.kind}` needs `{need}`",
            f"`{target.kind}` 类指标 `{target.name}` 需要 `{need}`",
        )
    named = target.kind in ("improvement", "comparison")
    if named and target.indicator not in (None, "delay", "loss"):
        problems.add(
            (*key, "indicator"),
            f"`indicator` of kind `{target.kind}` is `delay` or `loss`",
            f"`{target.kind}` 类指标的 `indicator` 只能是 `delay` 或 `loss`",
        )
    for field in ("limit_ms", "limit_ratio"):
        value = getattr(target, field)
        if value is None:
            continue
        share = field == "limit_ratio" and target.kind in ("loss", "improvement")
        if value <= 0 or (share and value >= 1):
            problems.add(
                (*key, field),
                f"{field} is {value}, but must be above 0" + (" and below 1" if share else ""),
                f"{field} 为 {value}，应大于 0" + ("且小于 1" if share else ""),
            )
    if target.max_age_s is not None and not 0 < target.max_age_s <= LONGEST_AGE_S:
        problems.add(
            (*key, "max_age_s"),
            f"max_age_s is {target.max_age_s}, but must be above 0 and at most {LONGEST_AGE_S:,}",
            f"max_age_s 为 {target.max_age_s}，应大于 0 且不超过 {LONGEST_AGE_S:,}",
        )
    for year, share_wanted in target.goals.items():
        if not 0 < share_wanted <= 1 or not year.isdigit():
            problems.add(
                (*key, "goals"),
                f'goal {year} = {share_wanted}: write a year and a share up to 1, "2025" = 0.85',
                f'目标 {year} = {share_wanted}：请写年份与不超过 1 的比例，如 "2025" = 0.85',
            )


def check_links(links: tuple[Link, ...], sites: Mapping[str, Site], problems: Problems) -> None:
    """Note links whose ends are no sites, and pairs that are declared twice."""
    seen: set[frozenset[str]] = set()
    for number, link in enumerate(links):
        key: Key = ("link", number, "between")
        for end in link.between:
            _check_word(end, "sites", sites, key, problems)
        pair = frozenset(link.between)
        if pair in seen or len(pair) == 1:
            a, b = link.between
            problems.add(
                key,
                f"the link between `{a}` and `{b}` is declared twice, or is to itself; keep one",
                f"`{a}` 与 `{b}` 之间的链路重复声明，或两端为同一站点；请只保留一条",
            )
        seen.add(pair)


def check_roads(tables: tuple[Road, ...], network: Network, problems: Problems) -> None:
    """Note roads that are shorter than the straight line, beyond what the positions leave open."""
    for number, road in enumerate(tables):
        in_doubt = set(road.between) & problems.in_doubt
        if road.road_km is None or in_doubt or not network.sites.keys() >= set(road.between):
            continue
        a, b = road.between
        index = network.site_index
        straight_km = float(network.great_circle_matrix_km[index[a], index[b]])
        open_km = sum(network.sites[end].position_uncertainty_km for end in road.between)
        if road.road_km * (1 + road.uncertainty_ratio) < straight_km - open_km:
            problems.add(
                ("distance", number, "road_km"),
                f"{road.road_km:g} km is shorter than the straight line from `{a}` to `{b}` "
                f"({straight_km:.0f} km); check the road and the coordinates",
                f"{road.road_km:g} km 短于 `{a}` 到 `{b}` 的直线距离（{straight_km:.0f} km）；"
                "请核对公路里程与坐标",
            )
