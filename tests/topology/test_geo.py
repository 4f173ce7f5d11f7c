import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topology import geo
from topology.gazetteer import bundled_gazetteer
from topology.model import Ends
from topology.network import Settings

PLACES = sorted(bundled_gazetteer().places)
LATITUDES = st.floats(-89, 89)
LONGITUDES = st.floats(-180, 180)


def between_km(a: str, b: str) -> float:
    gazetteer = bundled_gazetteer()
    one, other = gazetteer.find(a), gazetteer.find(b)
    return float(
        geo.great_circle_km(
            one.latitude_deg, one.longitude_deg, other.latitude_deg, other.longitude_deg
        )
    )


def test_known_distances():
    assert between_km("nanjing", "shanghai") == pytest.approx(270, abs=3)
    assert between_km("xuzhou", "shanghai") == pytest.approx(513, abs=5)
    assert between_km("beijing", "shanghai") == pytest.approx(1067, abs=5)
    assert between_km("shanghai", "los-angeles") == pytest.approx(10_440, abs=60)


def test_ellipsoid_agrees_with_the_published_geodesic():
    # Land's End to John o' Groats, Vincenty on WGS 84: 969.954 km.
    found = geo.great_circle_km(50.06632, -5.71475, 58.64402, -3.07009)
    assert found == pytest.approx(969.954, abs=0.01)


def test_quarter_of_the_equator_and_of_a_meridian():
    assert geo.great_circle_km(0, 0, 0, 90) == pytest.approx(10_018.754, abs=0.1)
    assert geo.great_circle_km(0, 0, 90, 0) == pytest.approx(10_001.966, abs=0.1)


def test_antipodes_are_finite():
    assert 19_900 < geo.great_circle_km(0, 0, 0, 180) < 20_100


@given(LATITUDES, LONGITUDES, LATITUDES, LONGITUDES)
def test_distance_is_symmetric_and_near_the_haversine(a, b, c, d):
    there, back = geo.great_circle_km(a, b, c, d), geo.great_circle_km(c, d, a, b)
    assert there >= 0
    assert there == pytest.approx(back, abs=1e-6)
    x = np.radians([a, b, c, d])
    h = (
        np.sin((x[2] - x[0]) / 2) ** 2
        + np.cos(x[0]) * np.cos(x[2]) * np.sin((x[3] - x[1]) / 2) ** 2
    )
    assert there == pytest.approx(2 * 6371.0088 * np.arcsin(min(1.0, h**0.5)), rel=0.0057, abs=1e-6)


@given(st.lists(st.tuples(LATITUDES, LONGITUDES), min_size=3, max_size=8))
def test_no_detour_is_shorter(points):
    matrix = geo.great_circle_matrix_km(*zip(*points, strict=True))
    assert np.array_equal(matrix, matrix.T)
    assert not matrix.diagonal().any()
    detour = (matrix[:, :, None] + matrix[None, :, :]).min(axis=1)
    assert (matrix <= detour + 2 * 68).all()  # a leg to near the antipode may come out 68 km short


def test_the_matrix_is_the_pairs():
    gazetteer = bundled_gazetteer()
    matrix = geo.great_circle_matrix_km(
        [gazetteer.places[p].latitude_deg for p in PLACES],
        [gazetteer.places[p].longitude_deg for p in PLACES],
    )
    i, j = PLACES.index("xuzhou"), PLACES.index("frankfurt")
    assert matrix[i, j] == pytest.approx(between_km("xuzhou", "frankfurt"))


def test_one_millisecond_reaches_204_km_of_fibre():
    assert geo.reach_km(1e6, geo.THEORETICAL_US_PER_KM) == pytest.approx(204.2, abs=0.05)
    assert geo.light_ns(100.0, geo.FLOOR_US_PER_KM) == pytest.approx(488_000)


def test_constants_keep_their_order():
    assert (
        geo.VACUUM_US_PER_KM
        < geo.FLOOR_US_PER_KM
        < geo.THEORETICAL_US_PER_KM
        < geo.CONTRACT_US_PER_KM
    )


def test_defaults_are_those_of_the_physics():
    assert Settings().floor_us_per_km == 4.88
    assert Ends() == Ends(sites=())
