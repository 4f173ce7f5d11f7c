"""The archive reads what the store and the credentials keep, also what was kept since."""

import pathlib
from collections.abc import Iterator

import pytest

from controller.access.credential_store import CredentialStore
from controller.live.archive import Archive
from controller.store.event_log import EventRecord
from controller.store.interface import Store
from controller.store.records import PlanRecord
from tests.controller.conftest import SetClock


@pytest.fixture
def access(tmp_path: pathlib.Path, clock: SetClock) -> Iterator[CredentialStore]:
    opened = CredentialStore(tmp_path / "data", clock)
    yield opened
    opened.close()


def test_it_reads_what_was_kept_before_it_and_after_it(
    store: Store, access: CredentialStore
) -> None:
    archive = Archive(store, access)
    assert (archive.plans("a", 10, 10), archive.events(), archive.baselines()) == ([], [], [])
    store.plans.put([PlanRecord(agent="a", version=1, content=b"{}")], 5).result()
    event = EventRecord(
        at_ns=1, kind="agent", subject="a", state="ok", previous=None, previous_since_ns=None
    )
    store.event_log.append([event]).result()
    access.audit(actor="x", action="y", subject="z")
    assert [(plan.version, plan.created_ns) for plan in archive.plans("a", 10, 10)] == [(1, 5)]
    assert [(found.id, found.subject) for found in archive.events()] == [(1, "a")]
    (entry,) = archive.audited(before_id=99, from_ns=0, to_ns=1 << 62, limit=5)
    assert (entry.actor, entry.action, entry.subject) == ("x", "y", "z")
    assert archive.certificates() == []
    assert archive.state().state == "ok"
