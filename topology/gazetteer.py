"""The places, regions and carriers that ship with the product (gazetteer.toml)."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec

from foundation.text import Text
from topology.model import Name

RegionKind = Literal["metro", "province", "hub"]
Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]


class Region(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A metropolitan area, province or national hub."""

    kind: RegionKind
    name: Name
    title: Text


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A city, or a district of one (`city` names it), and the regions it lies in."""

    name: Name
    title: Text
    latitude_deg: Latitude
    longitude_deg: Longitude
    city: Name | None = None  # absent: the place is itself the city
    metro: Name | None = None
    province: Name | None = None
    hub: Name | None = None
    labels: tuple[Name, ...] = ()
    uncertainty_km: Annotated[float, msgspec.Meta(ge=0, le=500)] | None = None


class Carrier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network operator."""

    name: Name
    title: Text


class _GazetteerFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    uncertainty_km: float
    region: tuple[Region, ...]
    carrier: tuple[Carrier, ...]
    place: tuple[Place, ...]


class Gazetteer:
    """Known places by name; also found by their Chinese name, with or without 市."""

    def __init__(
        self,
        places: Iterable[Place],
        regions: Iterable[Region],
        carriers: Iterable[Carrier],
        uncertainty_km: float,
    ) -> None:
        self.places: Mapping[str, Place] = MappingProxyType({p.name: p for p in places})
        self.regions: Mapping[tuple[RegionKind, str], Region] = MappingProxyType(
            {(r.kind, r.name): r for r in regions}
        )
        self.carriers: Mapping[str, Carrier] = MappingProxyType({c.name: c for c in carriers})
        self.uncertainty_km = uncertainty_km
        self._by_title = {p.title.zh: p for p in self.places.values()}

    def find(self, name: str) -> Place | None:
        """Return the place called `name` (``nanjing``, ``南京`` or ``南京市``), or None."""
        return self.places.get(name) or self._by_title.get(name.removesuffix("市"))

    def city_of(self, place: Place) -> str:
        """Return the name of the city that the place is, or lies in."""
        return place.city or place.name

    def uncertainty_km_of(self, place: Place) -> float:
        """Return how far a site of this place may lie from its coordinates, in kilometres."""
        return self.uncertainty_km if place.uncertainty_km is None else place.uncertainty_km

    def names(self, kind: RegionKind) -> list[str]:
        """Return the names of the regions of one kind."""
        return [name for (k, name) in self.regions if k == kind]

    def with_more(self, places: Iterable[Place], regions: Iterable[Region]) -> Gazetteer:
        """Return this gazetteer with places and regions of a site file; theirs win."""
        return Gazetteer(
            [*self.places.values(), *places],
            [*self.regions.values(), *regions],
            self.carriers.values(),
            self.uncertainty_km,
        )


@functools.cache
def bundled_gazetteer() -> Gazetteer:
    """Return the gazetteer that ships with the product."""
    data = importlib.resources.files("topology").joinpath("gazetteer.toml").read_bytes()
    file = msgspec.toml.decode(data, type=_GazetteerFile)
    return Gazetteer(file.place, file.region, file.carrier, file.uncertainty_km)
