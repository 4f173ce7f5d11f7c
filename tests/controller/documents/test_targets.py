"""Targets and groups: verdicts counted, rates with what is open, goals by their worst case."""

from dataclasses import replace

import numpy as np

from controller.documents.targets import (
    compliance_document,
    counted_verdicts,
    counts_document,
    group_document,
    target_document,
)
from controller.judge.compliance import compliance
from controller.judge.evidence import FAIL, PASS, UNDECIDED
from controller.live.snapshot import Snapshot
from topology.model import Target


def circle(now: Snapshot) -> Target:
    return next(t for t in now.scope.network.targets if t.name == "jiangsu-circle-5")


async def test_a_target_counts_its_paths_and_an_open_goal_is_not_reached(now: Snapshot) -> None:
    found = target_document(now, circle(now))
    assert (found.paths, found.counts.pass_, found.counts.no_data) == (6, 3, 3)
    assert found.compliance is not None
    assert (found.compliance.ratio, found.compliance.low, found.compliance.high) == (1.0, 0.5, 1.0)
    assert found.goal_verdict == {"2025": "undecided", "2030": "undecided"}


async def test_a_target_that_selects_nothing_has_no_rate(now: Snapshot) -> None:
    empty = next(t for t in now.scope.network.targets if t.name == "jiangsu-circle-1")
    found = target_document(now, empty)
    assert (found.paths, found.compliance) == (0, None)
    assert set(found.goal_verdict.values()) == {"no_data"}


async def test_paths_in_maintenance_are_counted_apart(now: Snapshot) -> None:
    resting = np.zeros(len(now.scope.demands), np.bool_)
    mine = now.scope.catalogue.demand_target == now.scope.catalogue.target_number[circle(now).name]
    resting[np.flatnonzero(mine)[:2]] = True
    then = replace(now, round=replace(now.round, maintenance=resting))
    found = target_document(then, circle(then))
    assert (found.maintenance, found.counts.pass_, found.counts.no_data) == (2, 1, 3)
    assert len(counted_verdicts(then, circle(then))) == 4


async def test_a_group_counts_pairs_of_sites_beside_its_paths(now: Snapshot) -> None:
    found = group_document(now, now.scope.groups[0])
    assert (found.pairs, found.paths, found.counts.no_data) == (1, 6, 1)
    assert found.paths_compliance is not None
    assert (found.paths_compliance.passed, found.paths_compliance.decided) == (3, 3)


def test_a_rate_of_nothing_is_absent_and_one_of_undecided_ones_is_open() -> None:
    assert compliance_document(compliance(np.zeros(0, np.int8))) is None
    found = compliance_document(compliance(np.array([UNDECIDED], np.int8)))
    assert found is not None
    assert (found.ratio, found.low, found.high, found.decided) == (None, 0.0, 1.0, 0)
    counts = counts_document(np.array([PASS, FAIL, FAIL], np.int8))
    assert (counts.pass_, counts.fail, counts.undecided) == (1, 2, 0)
