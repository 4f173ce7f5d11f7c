"""Maintenance: announced times in which what is measured does not count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from controller.fleet.maintenance import Phase, phase
from foundation.number_types import RowNumber

if TYPE_CHECKING:
    from controller.live.snapshot import Snapshot
    from controller.store.event_log import MaintenanceRecord

Instant = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Names = Annotated[
    tuple[Annotated[str, msgspec.Meta(max_length=200)], ...], msgspec.Meta(max_length=1000)
]


class MaintenanceRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A maintenance to announce: it covers what each list that is not empty names.

    `from_ns` absent: now. At least one of `sites`, `carriers` and `paths` must name something.
    """

    to_ns: Instant
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    from_ns: Instant | None = None
    sites: Names = ()
    carriers: Names = ()
    paths: Names = ()


class MaintenanceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An announced maintenance; `covered_paths` counts the paths it takes out of the figures."""

    id: RowNumber
    phase: Phase
    from_ns: int
    to_ns: int
    sites: list[str]
    carriers: list[str]
    paths: list[str]
    covered_paths: int
    reason: str
    created_ns: int
    created_by: str
    ended_ns: int | None
    ended_by: str | None


class MaintenancePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of maintenances, oldest first."""

    items: list[MaintenanceDocument]
    next: str | None = None


def maintenance_document(now: Snapshot, record: MaintenanceRecord) -> MaintenanceDocument:
    """Return a maintenance, and where in its life it is."""
    return MaintenanceDocument(
        id=record.id,
        phase=phase(record, now.at_ns),
        from_ns=record.from_ns,
        to_ns=record.to_ns,
        sites=list(record.sites),
        carriers=list(record.carriers),
        paths=list(record.paths),
        covered_paths=now.maintenance.paths_covered(record),
        reason=record.reason,
        created_ns=record.created_ns,
        created_by=record.created_by,
        ended_ns=record.ended_ns,
        ended_by=record.ended_by,
    )
