"""What to fix: the smallest list that reaches the goal; and who could ever be inside a ring."""

import pytest

from controller.documents.remediation import (
    group_remediation,
    ring_document,
    target_remediation,
)
from controller.live.snapshot import Snapshot

CIRCLE = "jiangsu-circle-5"


def number(now: Snapshot) -> int:
    return now.scope.catalogue.target_number[CIRCLE]


async def test_without_a_goal_it_is_that_of_the_last_year(now: Snapshot) -> None:
    found = target_remediation(now, number(now))
    assert (found.of, found.goal, found.year) == ("paths", 0.95, "2030")
    assert (found.total, found.passed, found.needed, found.reachable) == (6, 3, 3, True)


async def test_paths_without_data_are_to_be_measured_and_not_fixed(now: Snapshot) -> None:
    found = target_remediation(now, number(now), 1.0)
    assert {(one.action, one.source_site, one.margin_ratio) for one in found.paths} == {
        ("measure", "suzhou", None)
    }
    assert {share.name: share.paths for share in found.by_site} == {"nanjing": 3, "suzhou": 3}
    assert sum(share.paths for share in found.by_carrier) == 3


async def test_a_goal_that_is_reached_needs_nothing(now: Snapshot) -> None:
    found = target_remediation(now, number(now), 0.5)
    assert (found.year, found.needed, found.paths) == (None, 0, [])


async def test_a_group_is_mended_pair_by_pair(now: Snapshot) -> None:
    found = group_remediation(now, now.scope.groups[0])
    assert (found.of, found.total, found.needed) == ("pairs", 1, 1)
    assert len(found.paths) == 3


async def test_a_ring_goes_by_light_in_fibre_both_ways_where_the_target_does(now: Snapshot) -> None:
    network = now.scope.network
    target = network.targets[number(now)]
    ring = ring_document(network, target, 5.0, "nanjing")
    far = {site.site: site for site in ring.sites}["suzhou"]
    assert far.floor_ns == network.distance("nanjing", "suzhou").floor_ns
    assert far.reachable
    near = ring_document(network, target, far.floor_ns / 1e6 * 0.9, "nanjing")
    there = {site.site: site for site in near.sites}["suzhou"]
    assert not there.reachable
    assert there.margin_km < 0 < far.margin_km
    assert ring.centre == near.centre == "nanjing"
    assert ring_document(network, target, 5.0, None).centre in network.sites
    assert far.great_circle_km == pytest.approx(189, abs=1)
