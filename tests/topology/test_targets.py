import pytest

from topology.mesh import plan_streams
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
