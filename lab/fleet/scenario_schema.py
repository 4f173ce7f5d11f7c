"""What a scenario file may hold (docs/reference/scenario-file.md describes each key)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from foundation.number_types import Count
from foundation.text import Text
from topology.model import Name

Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]
DelayMs = Annotated[float, msgspec.Meta(ge=0.001, le=10_000)]
Microseconds = Annotated[float, msgspec.Meta(ge=0, le=10_000_000)]
Hops = Annotated[int, msgspec.Meta(ge=0, le=60)]
End = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)?$")]


class ScenarioTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[scenario]: `sites` is the site file, relative to the scenario file."""

    name: Name
    sites: str
    title: str | Text | None = None
    seed: Count = 1
    seconds: Annotated[float, msgspec.Meta(ge=2, le=86_400)] = 60.0
    window_s: Annotated[float, msgspec.Meta(ge=0.5, le=60)] = 5.0


class ModelTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[model]: how the delay of a path follows from its road distance, one way."""

    us_per_km: Annotated[float, msgspec.Meta(ge=0.001, le=20)] = 4.9
    equipment_us: Microseconds = 200.0
    jitter_us: Microseconds = 10.0
    loss_ratio: Ratio = 0.0
    hops: Hops = 3


class ExchangeTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[exchange]]: two carriers meet at these sites; traffic goes by the one that is shortest."""

    carriers: tuple[Name, Name]
    at: tuple[Name, ...]
    equipment_us: Microseconds = 100.0


class PathTableEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[path]]: what differs from the model. An end is ``site`` or ``site.carrier``.

    `delay_ms` replaces the model's delay; `via` leads the way over other sites.
    """

    from_: End = msgspec.field(name="from")
    to: End
    both_ways: bool = True
    ip_version: Literal[4, 6] | None = None
    delay_ms: DelayMs | None = None
    via: tuple[Name, ...] = ()
    jitter_us: Microseconds | None = None
    loss_ratio: Ratio | None = None
    duplicate_ratio: Ratio | None = None
    reorder_ratio: Ratio | None = None
    reorder_us: Microseconds | None = None
    hops: Hops | None = None
    up: bool = True


class ClockTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[clock]]: what a site declares of its clock, and how far off it really is.

    Without one a site declares 2 µs: all clocks of the lab are the machine's own.
    `synchronised` false declares nothing, so that the agent finds out by itself.
    """

    site: Name
    bound_us: Microseconds = 2.0
    synchronised: bool = True
    shift_us: Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)] = 0.0


class ScenarioFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    scenario: ScenarioTable
    model: ModelTable = ModelTable()
    exchange: tuple[ExchangeTable, ...] = ()
    path: tuple[PathTableEntry, ...] = ()
    clock: tuple[ClockTable, ...] = ()
