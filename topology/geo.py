"""Distances on the earth and what light needs for them (docs/concepts/measurement.md §7).

Three constants that must never be mixed:

* `FLOOR_US_PER_KM`, the fastest fibre that is laid (ITU-T G.654, group index 1.462: 4.877 µs/km,
  rounded). Over the great circle it bounds every delay from below: no cable is shorter.
* `THEORETICAL_US_PER_KM`, ordinary fibre (G.652 at 1550 nm, group index 1.4682: 4.8974 µs/km).
  Over the road distance it is the "theoretical delay" of the national plan, taken literally.
* `CONTRACT_US_PER_KM`, the round figure of many contracts: 2.1 % more lenient, so it is only
  used where a site file asks for it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FLOOR_US_PER_KM = 4.88
THEORETICAL_US_PER_KM = 4.897
CONTRACT_US_PER_KM = 5.0
VACUUM_US_PER_KM = 3.33564  # 1 / c: no setting may claim less

# Road over straight line where a site file gives no road. Measured ones lie between 1.11
# (Nanjing-Shanghai, an expressway nearly straight) and 1.4 (Ballou 2002: China 1.33;
# intra-city 1.324): 1.30 with 15 % either way spans 1.105 to 1.495.
ROAD_FACTOR = 1.30
ROAD_UNCERTAINTY_RATIO = 0.15
# A road distance that is given still leaves open which building, which road, how much slack.
GIVEN_UNCERTAINTY_RATIO = 0.05

_WGS84_EQUATOR_KM = 6378.137
_WGS84_FLATTENING = 1 / 298.257223563


def great_circle_km(
    latitude_a_deg: ArrayLike,
    longitude_a_deg: ArrayLike,
    latitude_b_deg: ArrayLike,
    longitude_b_deg: ArrayLike,
) -> NDArray[np.float64]:
    """Return the shortest way over the WGS 84 ellipsoid, in kilometres.

    Arrays broadcast. Lambert's correction of the haversine on reduced latitudes: within 0.1 km of
    the geodesic up to 10,000 km (a bare haversine is out by up to 0.56 %, 1.7 km on
    Nanjing-Beijing). Within some 100 km of the antipode, where the correction is singular, the arc
    is taken on the polar radius: up to 68 km short, never long, so that a floor stays a floor.
    """
    lat_a, lon_a, lat_b, lon_b = (
        np.radians(np.asarray(x, dtype=np.float64))
        for x in (latitude_a_deg, longitude_a_deg, latitude_b_deg, longitude_b_deg)
    )
    reduced_a = np.arctan((1 - _WGS84_FLATTENING) * np.tan(lat_a))
    reduced_b = np.arctan((1 - _WGS84_FLATTENING) * np.tan(lat_b))
    haversine = (
        np.sin((reduced_b - reduced_a) / 2) ** 2
        + np.cos(reduced_a) * np.cos(reduced_b) * np.sin((lon_b - lon_a) / 2) ** 2
    )
    arc = 2 * np.arcsin(np.sqrt(np.clip(haversine, 0.0, 1.0)))
    mean, half = (reduced_a + reduced_b) / 2, (reduced_b - reduced_a) / 2
    sine = np.sin(arc)
    near, far = np.cos(arc / 2) ** 2, np.sin(arc / 2) ** 2
    regular = (far > 1e-18) & (near > 1e-4)
    x = np.where(
        regular,
        (arc - sine) * (np.sin(mean) * np.cos(half)) ** 2 / np.where(regular, near, 1.0),
        0.0,
    )
    y = np.where(
        regular,
        (arc + sine) * (np.cos(mean) * np.sin(half)) ** 2 / np.where(regular, far, 1.0),
        0.0,
    )
    antipodal = near <= 1e-4
    shortening = np.where(antipodal, _WGS84_FLATTENING * arc, _WGS84_FLATTENING / 2 * (x + y))
    result = _WGS84_EQUATOR_KM * (arc - shortening)
    return np.asarray(result, dtype=np.float64)


def great_circle_matrix_km(
    latitudes_deg: ArrayLike, longitudes_deg: ArrayLike
) -> NDArray[np.float64]:
    """Return the n × n great-circle distances of n places, symmetric with a zero diagonal."""
    lat = np.asarray(latitudes_deg, dtype=np.float64)
    lon = np.asarray(longitudes_deg, dtype=np.float64)
    matrix = great_circle_km(lat[:, None], lon[:, None], lat[None, :], lon[None, :])
    matrix = (matrix + matrix.T) / 2  # rounding must not make two directions differ
    np.fill_diagonal(matrix, 0.0)
    return matrix


def light_ns(distance_km: float, us_per_km: float) -> float:
    """Return what light needs for `distance_km`, in nanoseconds."""
    return distance_km * us_per_km * 1000.0


def reach_km(limit_ns: float, us_per_km: float = FLOOR_US_PER_KM) -> float:
    """Return how far light comes in `limit_ns`, in kilometres."""
    return limit_ns / us_per_km / 1000.0
