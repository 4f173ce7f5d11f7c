import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.text import Text
from topology import geo
from topology.mesh import plan_streams
from topology.model import Site
from topology.network import Network, Road
from topology.targets import declared, demands, reachable_ring

WEST = '[[target]]\nname = "west"\ntitle = "T"\nkind = "delay"\nlimit_ms = 10\n'


def found(network):
    return demands(network, plan_streams(network))


def both(site, city_a, city_b):
    return site("a", city_a) + site("b", city_b, 2)


def test_ten_milliseconds_to_the_west_is_possible_one_way(parse, site):
    assert not any(d.impossible for d in found(parse(both(site, "wuxi", "zhongwei") + WEST)))


def test_ten_milliseconds_to_the_west_is_impossible_as_a_round_trip(parse, site):
    network = parse(both(site, "wuxi", "zhongwei") + WEST + 'direction = "round_trip"\n')
    made = found(network)
    assert len(made) == 2
    assert all(d.impossible for d in made)
    assert made[0].limit_ns == 10e6


def test_uncertain_position_never_makes_a_limit_impossible(parse, site):
    # 1 ms reaches 204.9 km. The city centres lie 211 km apart; the buildings may be nearer.
    target = WEST.replace("10", "1.0")
    near = both(site, "yancheng", "zhenjiang")
    network = parse(near + target)
    distance = network.distance("a", "b")
    assert distance.floor_ns < geo.light_ns(distance.great_circle_km, geo.FLOOR_US_PER_KM)


def test_ratio_is_taken_of_the_road_with_its_uncertainty(parse, site):
    text = both(site, "nanjing", "shanghai") + (
        '[[distance]]\nbetween = ["a", "b"]\nroad_km = 300\nuncertainty_ratio = 0.1\n'
        '[[target]]\nname = "r"\ntitle = "T"\nkind = "delay_ratio"\nlimit_ratio = 1.5\n'
    )
    demand = found(parse(text))[0]
    theory_ns = 300 * 4897.0
    assert demand.limit_ns == pytest.approx(1.5 * theory_ns)
    assert demand.limit_low_ns == pytest.approx(1.35 * theory_ns)
    assert demand.limit_high_ns == pytest.approx(1.65 * theory_ns)
    doubled = found(parse(text + 'direction = "round_trip"\n'))[0]
    assert doubled.limit_ns == pytest.approx(3.0 * theory_ns)


def test_ratio_asks_nothing_of_two_sites_of_one_place(parse, site):
    ratio = '[[target]]\nname = "r"\ntitle = "T"\nkind = "delay_ratio"\nlimit_ratio = 1.5\n'
    assert not found(parse(both(site, "nanjing", "nanjing") + ratio))


def test_contract_figure_is_a_setting(parse, site):
    text = both(site, "nanjing", "shanghai")
    strict, lenient = parse(text), parse("[settings]\ntheoretical_us_per_km = 5.0\n" + text)
    ratio = lenient.distance("a", "b").theoretical_ns / strict.distance("a", "b").theoretical_ns
    assert ratio == pytest.approx(5.0 / 4.897)


def test_loss_and_variation_carry_their_own_limits(parse, site):
    text = both(site, "nanjing", "shanghai") + (
        '[[target]]\nname = "l"\ntitle = "T"\nkind = "loss"\nlimit_ratio = 0.0077\n'
        '[[target]]\nname = "v"\ntitle = "T"\nkind = "variation"\nlimit_ms = 0.05\n'
    )
    by_name = {d.target.name: d for d in found(parse(text))}
    assert by_name["l"].limit_ratio == 0.0077
    assert by_name["l"].limit_ns is None
    assert by_name["v"].limit_ns == 50_000
    assert not by_name["v"].impossible  # variation has no floor


def test_from_and_to_bind_the_way_back_unless_told_otherwise(parse, site):
    text = both(site, "nanjing", "shanghai") + (
        '[[target]]\nname = "t"\ntitle = "T"\nkind = "delay"\nlimit_ms = 5\n'
        'from = { cities = ["nanjing"] }\nto = { cities = ["shanghai"] }\n'
    )
    assert len(found(parse(text))) == 2
    only = found(parse(text + "both_ways = false\n"))
    assert [(d.path.source.site, d.path.destination.site) for d in only] == [("a", "b")]


def test_relations_of_places_without_a_region(parse, site):
    text = both(site, "singapore", "tokyo")
    row = '[[target]]\nname = "t"\ntitle = "T"\nkind = "loss"\nlimit_ratio = 0.1\n'
    for relation, count in [
        ("same_hub", 0), ("same_metro", 0), ("different_province", 2), ("same_carrier", 2),
        ("different_carrier", 0), ("different_city", 2),
    ]:  # fmt: skip
        assert len(found(parse(text + row + f'relations = ["{relation}"]\n'))) == count, relation


def test_declared_figures_are_those_of_the_sites_named(parse, site):
    own = "[site.inventory]\nsrv6-share = 0.8\n"
    text = (
        site("a")
        + own
        + site("b", "shanghai", 2)
        + own
        + site("c", "wuxi", 3)
        + '[[target]]\nname = "s"\ntitle = "T"\nkind = "inventory"\nindicator = "srv6-share"\n'
        'unit = "ratio"\nbetween = { provinces = ["jiangsu"] }\n'
    )
    network = parse(text)
    assert [(d.site, d.value, d.unit) for d in declared(network, network.targets[0])] == [
        ("a", 0.8, "ratio")
    ]
    assert not found(network)
    assert not network.warnings


def test_ring_says_who_could_ever_be_inside(parse, site):
    network = parse(site("a") + site("b", "zhenjiang", 2) + site("c", "xuzhou", 3))
    ring = {p.site: p for p in reachable_ring(network, "a", 1.0)}
    assert ring["b"].reachable
    assert not ring["c"].reachable
    assert ring["c"].margin_km < 0 < ring["b"].margin_km
    assert [p.site for p in reachable_ring(network, "a", 1.0)] == ["b", "c"]
    wide = {p.site for p in reachable_ring(network, "a", 5.0, round_trip=True) if p.reachable}
    assert wide == {"b", "c"}


@given(
    st.tuples(st.floats(-80, 80), st.floats(-180, 180), st.floats(0, 50)),
    st.tuples(st.floats(-80, 80), st.floats(-180, 180), st.floats(0, 50)),
    st.one_of(st.none(), st.floats(1, 40_000)),
)
def test_floor_is_never_above_theory_over_the_straight_line(one, other, road_km):
    sites = {
        name: Site(
            name=name,
            title=Text(name, name),
            latitude_deg=lat,
            longitude_deg=lon,
            position_uncertainty_km=open_km,
            city=name,
        )
        for name, (lat, lon, open_km) in (("a", one), ("b", other))
    }
    roads = {} if road_km is None else {("a", "b"): Road(between=("a", "b"), road_km=road_km)}
    network = Network(name="n", title=Text("n", "n"), sites=sites, roads=roads)
    distance = network.distance("a", "b")
    assert distance == network.distance("b", "a")
    assert 0 <= distance.floor_ns <= distance.great_circle_km * geo.FLOOR_US_PER_KM * 1000
    assert 0 <= distance.road_uncertainty_ratio < 1
    if road_km is None:
        assert distance.floor_ns <= distance.theoretical_ns


def test_hollow_core_lowers_the_floor_of_one_way_alone(parse, site):
    text = site("a") + site("b", "shanghai", 2) + site("c", "xuzhou", 3)
    plain = parse(text)
    hollow = parse(text + '[[distance]]\nbetween = ["a", "b"]\nfloor_us_per_km = 3.36\n')
    assert hollow.distance("a", "b").floor_ns < plain.distance("a", "b").floor_ns
    assert hollow.distance("a", "c") == plain.distance("a", "c")
    assert not hollow.distance("a", "b").given


@pytest.mark.parametrize("kind", ["comparison", "ipv6_parity"])
def test_two_paths_are_compared_by_their_round_trips(parse, site, kind):
    target = f'[[target]]\nname = "own"\ntitle = "T"\nkind = "{kind}"\n'
    target += 'against = { roles = ["ordinary_internet"] }\n' if kind == "comparison" else ""
    (own,) = parse(both(site, "wuxi", "nanjing") + target + 'direction = "one_way"\n').targets
    assert own.direction == "round_trip"


@pytest.mark.parametrize(("kept", "direction"), [("ipdv", "round_trip"), ("pdv", "one_way")])
def test_variation_between_neighbours_is_that_of_round_trips(parse, site, kept, direction):
    target = '[[target]]\nname = "own"\ntitle = "T"\nkind = "variation"\nlimit_ms = 1.0\n'
    text = both(site, "wuxi", "nanjing") + target + f'variation = "{kept}"\n'
    (own,) = parse(text).targets
    assert own.direction == direction
