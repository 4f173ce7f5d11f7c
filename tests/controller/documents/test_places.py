"""Sites, agents and meshes: as the site file has them, and as they are."""

from dataclasses import replace

import pytest

from controller.documents.places import (
    agent_document,
    clock_document,
    mesh_document,
    site_document,
)
from controller.live.snapshot import Snapshot
from controller.store.records import DuplicateRecord
from tests.controller.documents.conftest import WINDOWS


async def test_a_site_has_the_state_of_its_agent_and_none_where_none_is_meant_to_be(
    now: Snapshot,
) -> None:
    states = now.agent_states()
    found = [site_document(site, states) for site in now.scope.network.sites.values()]
    assert [(one.name, one.agent_state, one.external) for one in found] == [
        ("nanjing", "ok", False),
        ("suzhou", "never_seen", False),
        ("router", "none", True),
    ]
    assert [one.ip_version for one in found[0].interfaces] == [4, 6, 4]


async def test_an_agent_that_was_never_heard_has_nothing_that_is_zero(now: Snapshot) -> None:
    heard, never = (agent_document(now, name, "ok") for name in ("nanjing", "suzhou"))
    assert heard.results_stored == {"windows": 3 * WINDOWS}
    assert heard.last_window_ns == now.at_ns
    assert (never.last_seen_ns, never.last_window_ns, never.health) == (None, None, None)
    assert (never.plan_version, never.wanted_plan_version) == (None, now.plans["suzhou"].version)


async def test_an_agent_whose_name_another_one_has_says_so(now: Snapshot) -> None:
    assert agent_document(now, "nanjing", "ok").duplicate is None
    record = DuplicateRecord(agent="nanjing", boot="b1", seen_ns=5, refused=True)
    doubled = agent_document(replace(now, duplicates={"nanjing": record}), "nanjing", "ok")
    assert doubled.duplicate is not None
    assert (doubled.duplicate.boot, doubled.duplicate.refused_ns) == ("b1", 5)


async def test_a_clock_is_told_where_the_mesh_measures_it(now: Snapshot) -> None:
    clock = clock_document(now.round, "nanjing")
    assert clock is not None
    assert (clock.suspected, clock.offset_ns, clock.pairs) == (False, pytest.approx(0, abs=1), 1)
    assert clock_document(now.round, "nowhere") is None


async def test_a_mesh_says_how_much_of_it_is_measured(now: Snapshot) -> None:
    (mesh,) = (mesh_document(now.scope.network, mesh) for mesh in now.scope.network.meshes)
    assert (mesh.name, mesh.peers, mesh.coverage_ratio) == ("all", None, 1.0)
    assert mesh.pairs == mesh.measured_pairs == 3
