"""What a site file may hold (docs/reference/site-file.md describes each key)."""

from __future__ import annotations

from typing import Annotated

import msgspec

from foundation.number_types import Amount
from foundation.text import Text
from topology.gazetteer import Latitude, Longitude, Place, Region
from topology.model import Name, Role, Target
from topology.network import Budget, Link, Mesh, Road, Settings

Title = str | Text  # a plain string serves both languages


class NetworkTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[network]"""

    name: Name
    title: Title | None = None
    year: Annotated[int, msgspec.Meta(ge=2000, le=2100)] | None = None
    presets: tuple[str, ...] = ()


class CarrierTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[carriers.NAME]"""

    title: Title | None = None


class InterfaceTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[site.interface]]: one `address`, or `ipv4` and `ipv6` of the same carrier; `local` is
    what the machine binds in place of one of them, behind 1:1 NAT."""

    carrier: Name
    address: str | None = None
    ipv4: str | None = None
    ipv6: str | None = None
    local: str | None = None


class SiteTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[site]]"""

    name: Name
    title: Title | None = None
    city: str | None = None
    latitude_deg: Latitude | None = None
    longitude_deg: Longitude | None = None
    metro: str | None = None
    province: str | None = None
    hub: str | None = None
    roles: tuple[Role, ...] = ()
    important: bool = False
    external: bool = False
    labels: tuple[Name, ...] = ()
    interface: tuple[InterfaceTable, ...] = ()
    inventory: dict[str, Amount] = {}


class SiteFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    network: NetworkTable
    settings: Settings = Settings()
    budget: Budget = Budget()
    carriers: dict[Name, CarrierTable] = {}
    region: tuple[Region, ...] = ()
    place: tuple[Place, ...] = ()
    site: tuple[SiteTable, ...]
    distance: tuple[Road, ...] = ()
    link: tuple[Link, ...] = ()
    mesh: tuple[Mesh, ...] = ()
    target: tuple[Target, ...] = ()
