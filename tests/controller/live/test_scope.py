"""What is measured and demanded: permanent streams keep their places whatever comes behind them."""

import pathlib

import numpy as np
import pytest
from msgspec.structs import replace

from controller.live.scope import Scope, scope_of
from topology.mesh import plan_streams
from topology.site_file import load_network
from topology.targets import demands as demands_of

WINDOW_NS = 10_000_000_000


@pytest.fixture
def scope(site_file: pathlib.Path) -> Scope:
    network = load_network(site_file)
    streams = plan_streams(network)
    return scope_of(network, streams, demands_of(network, streams), window_ns=WINDOW_NS)


def test_without_campaigns_all_streams_are_permanent_and_were_always_planned(scope: Scope) -> None:
    assert scope.permanent == scope.streams
    assert scope.stream_ids == [stream.stream_id for stream in scope.streams]
    assert not scope.planned_ns.any()


def test_what_a_campaign_adds_stands_behind_and_moves_nothing(scope: Scope) -> None:
    added = tuple(replace(one, stream_id=one.stream_id + 1) for one in scope.streams[:2])
    planned_ns = np.append(scope.planned_ns, [5, 5])
    wider = scope.planning((*scope.streams, *added), planned_ns, ())
    before = len(scope.streams)
    assert wider.permanent == scope.permanent == wider.streams[:before]
    assert wider.catalogue.stream_path[:before].tolist() == scope.catalogue.stream_path.tolist()
    assert wider.catalogue.stream_id[before:].tolist() == [one.stream_id for one in added]
    assert wider.planned_ns.tolist() == planned_ns.tolist()
    assert (wider.demands, wider.groups) == (scope.demands, scope.groups)
    back = wider.planning(scope.streams, scope.planned_ns, ())
    assert back.stream_ids == scope.stream_ids


def test_streams_bound_by_a_target_are_those_on_its_paths(scope: Scope) -> None:
    for target in scope.network.targets:
        paths = {one.path.id for one in scope.demands if one.target.name == target.name}
        if not paths:
            continue
        bound = scope.streams_bound_by([target.name])
        assert bound.tolist() == [stream.path.id in paths for stream in scope.streams]


def test_without_targets_every_stream_on_a_bound_path_is_meant(scope: Scope) -> None:
    paths = {demand.path.id for demand in scope.demands}
    bound = scope.streams_bound_by([])
    assert bound.tolist() == [stream.path.id in paths for stream in scope.streams]
    assert bound.tolist() == scope.streams_bound_by(["no-such-target"]).tolist()


def test_a_map_that_demands_nothing_means_all_of_its_streams(site_file: pathlib.Path) -> None:
    network = load_network(site_file)
    streams = plan_streams(network)
    scope = scope_of(network, streams, (), window_ns=WINDOW_NS)
    assert scope.streams_bound_by([]).all()
