import pathlib

import pytest

from topology.mesh import plan_streams
from topology.model import Target
from topology.presets import load_preset, preset_names
from topology.site_file import parse_network
from topology.targets import demands

ALL = {t.name: t for name in preset_names() for t in load_preset(name).targets}

# name: kind, limit (ms or ratio), direction, whether the plan says so, goals
FIGURES = {
    "jiangsu-circle-1": ("delay", 1.0, "one_way", False, {"2025": 0.85, "2030": 0.95}),
    "jiangsu-circle-3": ("delay", 3.0, "one_way", False, {"2025": 0.85, "2030": 0.95}),
    "jiangsu-circle-5": ("delay", 5.0, "one_way", False, {"2025": 0.85, "2030": 0.95}),
    "jiangsu-channel-delay": ("delay", 205.79, "round_trip", False, {}),
    "jiangsu-channel-loss": ("loss", 0.0077, "round_trip", False, {}),
    "jiangsu-ordinary-delay": ("delay", 263.62, "round_trip", False, {}),
    "jiangsu-ordinary-loss": ("loss", 0.0376, "round_trip", False, {}),
    "jiangsu-srv6-share": ("inventory", None, "one_way", False, {"2025": 0.80, "2030": 0.95}),
    "jiangsu-otn-coverage": ("inventory", None, "one_way", False, {"2025": 0.90, "2030": 0.95}),
    "yancheng-city": ("delay", 1.0, "one_way", True, {}),
    "yancheng-shanghai": ("delay", 4.0, "one_way", True, {}),
    "yancheng-delta": ("delay", 6.0, "one_way", True, {}),
    "national-hub-ratio": (
        "delay_ratio", 1.5, "one_way", False, {"2023": 0.65, "2024": 0.75, "2025": 0.80},
    ),
    "national-city": ("delay", 1.0, "one_way", False, {}),
    "national-hub": ("delay", 5.0, "one_way", False, {}),
    "national-srv6-share": (
        "inventory", None, "one_way", False, {"2023": 0.20, "2024": 0.30, "2025": 0.40},
    ),
    "national-otn-coverage": (
        "inventory", None, "one_way", False, {"2023": 0.50, "2024": 0.65, "2025": 0.80},
    ),
    "wuxi-province": ("delay", 3.0, "one_way", False, {}),
    "wuxi-western-hubs": ("delay", 10.0, "one_way", False, {}),
    "hunan-delay": ("improvement", 0.80, "round_trip", False, {}),
    "hunan-loss": ("improvement", 0.50, "round_trip", False, {}),
}  # fmt: skip


def test_five_plans_ship():
    assert preset_names() == ("hunan", "jiangsu", "national", "wuxi", "yancheng")


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_the_plans(name):
    target = ALL[name]
    limit = target.limit_ms if target.kind == "delay" else target.limit_ratio
    found = (target.kind, limit, target.direction, target.direction_stated, target.goals)
    assert found == FIGURES[name]


@pytest.mark.parametrize("target", ALL.values(), ids=ALL)
def test_every_target_names_its_source_in_both_languages(target: Target):
    source = target.source
    assert source.document.zh.startswith("《")
    assert source.document.en
    assert source.issuer is not None
    assert source.clause.en
    assert source.clause.zh
    assert target.title.zh != target.title.en


def test_no_two_targets_share_a_name():
    assert len(ALL) == sum(len(load_preset(name).targets) for name in preset_names())


def test_what_cannot_be_probed_is_declared():
    assert all(
        t.indicator for t in ALL.values() if t.kind in ("inventory", "one_hop", "improvement")
    )


def test_channel_figures_are_means():
    assert {t.statistic for n, t in ALL.items() if "channel" in n or "ordinary" in n} == {"mean"}
    assert {t.statistic for t in ALL.values() if t.group == "jiangsu-circles"} == {"p95"}


SITES = [
    ("nj1", "nanjing", ["data_centre"], True), ("nj2", "nanjing", ["data_centre"], True),
    ("zj1", "zhenjiang", ["data_centre"], True), ("xz1", "xuzhou", ["core_node"], True),
    ("sh1", "shanghai", ["core_node"], True), ("hf1", "hefei", ["data_centre"], False),
    ("yc1", "yancheng", ["data_centre"], True), ("yc2", "yancheng", ["data_centre"], True),
    ("wx1", "wuxi", ["data_centre"], True), ("zw1", "zhongwei", ["data_centre"], False),
    ("wj1", "wujiang", ["data_centre"], False), ("ix1", "nanjing", ["exchange_point"], True),
    ("ch1", "nanjing", ["international_channel", "ordinary_internet"], False),
    ("ch2", "suzhou", ["international_channel"], False),
    ("sg1", "singapore", ["international_channel"], False),
    ("sg2", "singapore", ["ordinary_internet"], False),
    ("cs1", "changsha", ["data_centre"], False), ("hy1", "hengyang", ["data_centre"], False),
]  # fmt: skip


@pytest.fixture(scope="module")
def bound() -> dict[str, set[frozenset[str]]]:
    """Return the pairs of sites that each preset target binds, in a network with all of them."""
    text = f'[network]\nname = "all"\npresets = {list(preset_names())}\n'.replace("'", '"')
    for number, (name, city, roles, important) in enumerate(SITES):
        text += (
            f'[[site]]\nname = "{name}"\ncity = "{city}"\nroles = {roles}\n'
            f"important = {str(important).lower()}\n".replace("'", '"')
        )
        for second, carrier in enumerate(("telecom", "unicom")):
            text += f'[[site.interface]]\ncarrier = "{carrier}"\n'
            text += f'address = "10.{second}.0.{number + 1}"\n'
    network = parse_network(text, pathlib.Path("all.toml"))
    assert network.warnings == ()
    pairs: dict[str, set[frozenset[str]]] = {}
    for demand in demands(network, plan_streams(network)):
        ends = frozenset({demand.path.source.site, demand.path.destination.site})
        pairs.setdefault(demand.target.name, set()).add(ends)
    return pairs


def pairs_of(*pairs: str) -> set[frozenset[str]]:
    return {frozenset(pair.split("-")) for pair in pairs}


def test_each_pair_is_bound_by_one_circle(bound):
    one, three, five = (bound[f"jiangsu-circle-{n}"] for n in (1, 3, 5))
    assert one == pairs_of("nj1-nj2", "yc1-yc2")
    assert three == pairs_of("nj1-zj1", "nj2-zj1")
    assert not five & (one | three)
    assert frozenset({"xz1", "sh1"}) in five
    assert frozenset({"hf1", "sh1"}) not in five  # not marked important
    assert len(one | three | five) == 8 * 7 // 2


def test_channels_run_abroad_and_not_to_one_another(bound):
    assert bound["jiangsu-channel-delay"] == pairs_of("ch1-sg1", "ch2-sg1")
    assert bound["jiangsu-ordinary-loss"] == pairs_of("ch1-sg2")


def test_yancheng_binds_its_centres_shanghai_core_and_key_cities(bound):
    assert bound["yancheng-city"] == pairs_of("yc1-yc2")
    assert bound["yancheng-shanghai"] == pairs_of("yc1-sh1", "yc2-sh1")
    assert frozenset({"yc1", "nj1"}) in bound["yancheng-delta"]
    assert frozenset({"yc1", "sh1"}) not in bound["yancheng-delta"]


def test_wuxi_and_the_hub_clusters(bound):
    assert bound["wuxi-western-hubs"] == pairs_of("wx1-zw1")
    assert frozenset({"wx1", "sh1"}) not in bound["wuxi-province"]
    assert bound["national-hub-ratio"] == pairs_of("wj1-zw1")


# What is declared and not probed: the figure of the plan is in the title or the clause.
DECLARED = {
    "jiangsu-exit-bandwidth": "105 Tbit/s today, near 400 Tbit/s in 2030",
    "jiangsu-one-hop": "一跳直达",
    "jiangsu-ipv6-single-stack": "2030",
    "yancheng-city-exit": "17 Tbit/s",
    "yancheng-idc-exit": "12 Tbit/s",
    "yancheng-carriers": "≥ 2",
    "yancheng-one-hop": "Shanghai and Nanjing",
    "yancheng-detour": "减少网间流量绕转",
    "national-dual-route": "双节点、双路由",
    "wuxi-city-exit": "15 Tbit/s",
    "wuxi-idc-exit": "20 Tbit/s",
    "wuxi-pool-links": "100 Gbit/s",
    "wuxi-carriers": "several carriers",
}


@pytest.mark.parametrize("name", DECLARED)
def test_declared_figure_is_the_plans(name):
    target = ALL[name]
    assert target.kind in ("inventory", "one_hop")
    assert DECLARED[name] in f"{target.source.clause.en} {target.title.en}"


def test_all_targets_are_held_against_the_plans():
    judged = {n for n, t in ALL.items() if t.kind not in ("comparison", "ipv6_parity")}
    assert judged == {*FIGURES, *DECLARED}


CHANNEL_CITIES = (
    "nanjing", "suzhou", "wuxi", "changzhou", "nantong", "yancheng", "xuzhou", "lianyungang",
)  # fmt: skip


def test_each_of_the_eight_channels_has_its_verdicts_and_its_ordinary_path():
    """Eight near ends, one far end abroad; each end has a dedicated and an ordinary address."""
    text = '[network]\nname = "channels"\npresets = ["jiangsu"]\n'
    for number, city in enumerate((*CHANNEL_CITIES, "singapore")):
        for second, role in enumerate(("international_channel", "ordinary_internet")):
            text += (
                f'[[site]]\nname = "{city}-{role[:2]}"\ncity = "{city}"\nroles = ["{role}"]\n'
                f'[[site.interface]]\ncarrier = "telecom"\naddress = "10.{second}.0.{number + 1}"\n'
            )
    network = parse_network(text, pathlib.Path("channels.toml"))
    made = demands(network, plan_streams(network))
    for name in ("channel-delay", "channel-loss", "channel-against-delay", "channel-against-loss"):
        mine = [d for d in made if d.target.name == f"jiangsu-{name}"]
        near = {d.path.source.site for d in mine} - {"singapore-in"}
        assert near == {f"{city}-in" for city in CHANNEL_CITIES}
        assert len(mine) == 16
        for demand in mine if "against" in name else ():
            assert demand.other is not None
            beside = (demand.other.source.site, demand.other.destination.site)
            own = (demand.path.source.site, demand.path.destination.site)
            assert beside == tuple(end.replace("-in", "-or") for end in own)
