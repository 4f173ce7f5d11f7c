import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.text import Text
from topology import geo
from topology.model import Site
from topology.network import Network, Road


def test_uncertain_position_never_makes_a_limit_impossible(parse, site):
    # 1 ms reaches 204.9 km. The city centres lie 211 km apart; the buildings may be nearer.
    distance = parse(site("a", "yancheng") + site("b", "zhenjiang", 2)).distance("a", "b")
    assert distance.floor_ns < geo.light_ns(distance.great_circle_km, geo.FLOOR_US_PER_KM)


def test_contract_figure_is_a_setting(parse, site):
    text = site("a", "nanjing") + site("b", "shanghai", 2)
    strict, lenient = parse(text), parse("[settings]\ntheoretical_us_per_km = 5.0\n" + text)
    ratio = lenient.distance("a", "b").theoretical_ns / strict.distance("a", "b").theoretical_ns
    assert ratio == pytest.approx(5.0 / 4.897)


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


def two_sites(**more: object) -> Network:
    """Return Nanjing and Shanghai, whose positions are known to 2 km each."""
    places = {"a": (32.06, 118.79), "b": (31.23, 121.47)}
    sites = {
        name: Site(
            name=name,
            title=Text(name, name),
            latitude_deg=lat,
            longitude_deg=lon,
            position_uncertainty_km=2.0,
            city=name,
        )
        for name, (lat, lon) in places.items()
    }
    return Network(name="n", title=Text("n", "n"), sites=sites, **more)


def test_estimated_road_is_as_unsure_as_its_factor_and_its_ends():
    distance = two_sites().distance("a", "b")
    assert not distance.given
    assert distance.road_km == pytest.approx(geo.ROAD_FACTOR * distance.great_circle_km)
    assert distance.road_uncertainty_ratio == pytest.approx(
        math.hypot(geo.ROAD_UNCERTAINTY_RATIO, 4.0 / distance.great_circle_km)
    )


def test_given_road_is_taken_as_written_in_either_direction():
    road = Road(between=("a", "b"), road_km=310.0, uncertainty_ratio=0.02)
    network = two_sites(roads={("a", "b"): road})
    for distance in (network.distance("a", "b"), network.distance("b", "a")):
        assert (distance.given, distance.road_km) == (True, 310.0)
        assert distance.road_uncertainty_ratio == 0.02
        assert distance.theoretical_ns == geo.light_ns(310.0, geo.THEORETICAL_US_PER_KM)


def test_unknown_site_has_no_distance():
    with pytest.raises(KeyError):
        two_sites().distance("a", "nowhere")


def test_matrix_and_distance_say_the_same():
    network = two_sites()
    row, column = network.site_index["a"], network.site_index["b"]
    assert network.great_circle_matrix_km.shape == (2, 2)
    assert network.great_circle_matrix_km[row, column] == network.distance("a", "b").great_circle_km
