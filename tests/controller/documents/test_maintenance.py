"""A maintenance: what it covers, and where in its life it is."""

from dataclasses import replace

import msgspec
import pytest

from controller.documents.maintenance import MaintenanceRequest, maintenance_document
from controller.live.snapshot import Snapshot
from controller.store.event_log import MaintenanceRecord


def record(now: Snapshot) -> MaintenanceRecord:
    return MaintenanceRecord(
        id=3,
        from_ns=now.at_ns,
        to_ns=now.at_ns + 100,
        carriers=("unicom",),
        reason="fibre",
        created_ns=now.at_ns - 10,
        created_by="owner uid 0",
    )


async def test_it_counts_the_paths_that_it_covers(now: Snapshot) -> None:
    found = maintenance_document(now, record(now))
    every = [
        path
        for path in now.scope.catalogue.paths
        if "unicom" in (path.source.carrier, path.destination.carrier)
    ]
    assert (found.id, found.carriers, found.covered_paths) == (3, ["unicom"], len(every))


async def test_its_phase_is_that_of_the_moment(now: Snapshot) -> None:
    made = record(now)
    for later_ns, phase in ((-1, "announced"), (0, "begun"), (99, "begun"), (100, "ended")):
        assert maintenance_document(replace(now, at_ns=now.at_ns + later_ns), made).phase == phase
    cancelled = replace(made, ended_ns=made.from_ns, ended_by="token x")
    assert maintenance_document(now, cancelled).phase == "cancelled"


def test_a_request_without_a_reason_is_none() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"to_ns": 5, "reason": ""}, MaintenanceRequest)
