"""What a controller plans as it starts: numbered once, kept, silent until it is confirmed."""

import pathlib
from collections.abc import Iterator

import pytest

from controller.access.credential_store import CredentialStore
from controller.access.stamp_keyring import StampKeyring
from controller.fleet.silences import UNCONFIRMED
from controller.serving.first_plan import Opened, first_plan
from controller.settings import Settings
from controller.store.interface import Store
from tests.controller.conftest import SetClock
from topology.network import Network
from topology.site_file import load_network


@pytest.fixture
def network(site_file: pathlib.Path) -> Network:
    return load_network(site_file)


@pytest.fixture
def opened(store: Store, tmp_path: pathlib.Path, clock: SetClock) -> Iterator[Opened]:
    directory = tmp_path / "data"
    access, keyring = CredentialStore(directory, clock), StampKeyring(directory, clock)
    yield Opened(
        settings=Settings(),
        clock=clock,
        store=store,
        access=access,
        stamp_keyring=keyring,
        authority=None,
    )
    access.close()
    keyring.close()


def test_plans_are_numbered_and_kept_and_a_restart_numbers_nothing_anew(
    network: Network, opened: Opened
) -> None:
    first = first_plan(network, opened, 1)
    assert {name: plan.version for name, plan in first.plans.items()} == {"nanjing": 1, "suzhou": 1}
    again = first_plan(network, opened, 2)
    assert again.plans == first.plans
    assert [one.version for one in opened.store.plans.history("nanjing", 9, 9)] == [1]
    ids = {stream.stream_id for stream in first.scope.streams}
    assert {record.stream_id for record in again.recorded} == ids


def test_whoever_is_asked_to_answer_is_silent_until_it_has_confirmed(
    network: Network, opened: Opened
) -> None:
    found = first_plan(network, opened, 1)
    rules = {(one.agent, one.rule) for one in found.silences.now.records.values()}
    assert rules == {("nanjing", UNCONFIRMED), ("suzhou", UNCONFIRMED)}
    assert {one.mark for one in opened.store.silences.records()} == set(found.silences.now.records)


def test_every_start_stands_in_the_audit_log(network: Network, opened: Opened) -> None:
    first_plan(network, opened, 1)
    (entry,) = opened.access.audited(before_id=99, from_ns=0, to_ns=1 << 62, limit=5)
    assert (entry.actor, entry.action, entry.subject) == ("controller", "start", "trial")
