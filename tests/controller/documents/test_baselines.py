"""A sealed baseline: what it holds, and whether it is the one that is used."""

from controller.api.services import Services
from controller.documents.baselines import baseline_document
from controller.live.sealed_baselines import SealRequest, opened, seal
from controller.live.snapshot import Snapshot
from controller.store.readable import readable_chunks
from tests.controller.documents.conftest import SECOND


async def test_it_names_the_paths_it_holds_and_is_used_by_its_digest(
    now: Snapshot, services: Services
) -> None:
    from_ns = now.at_ns - 60 * SECOND
    batches = [
        batch for _, batch in readable_chunks(services.readings.archive.chunks_since(from_ns))
    ]
    asked = SealRequest(name="before", from_ns=from_ns, to_ns=now.at_ns)
    baseline = opened(seal(asked, batches, now.scope.permanent, {"nanjing": 1}, now.at_ns))
    found = baseline_document(baseline, baseline)
    assert (found.name, found.used, found.plan_versions) == ("before", True, {"nanjing": 1})
    assert found.paths == [
        "nanjing.telecom.v4>suzhou.telecom.v4",
        "nanjing.telecom.v6>suzhou.telecom.v6",
        "nanjing.unicom.v4>suzhou.telecom.v4",
    ]
    assert (found.streams, found.hours) == (3, 1)
    assert not baseline_document(baseline, None).used
