"""Everything of a map is found by its place, from whichever side it is requested."""

import pathlib

import numpy as np
import pytest

from controller.live.catalogue import Catalogue, catalogue_of
from controller.store.records import StreamRecord
from topology.mesh import plan_streams
from topology.model import Demand, PlannedStream
from topology.network import Network
from topology.site_file import load_network
from topology.targets import demands as demands_of

Map = tuple[Network, tuple[PlannedStream, ...], tuple[Demand, ...]]


@pytest.fixture
def everything(site_file: pathlib.Path) -> Map:
    network = load_network(site_file)
    streams = plan_streams(network)
    return network, streams, demands_of(network, streams)


@pytest.fixture
def catalogue(everything: Map) -> Catalogue:
    return catalogue_of(*everything, ())


def test_a_stream_is_on_its_path_and_of_its_sender(everything: Map, catalogue: Catalogue) -> None:
    _, streams, _ = everything
    for row, stream in enumerate(streams):
        number = int(catalogue.stream_path[row])
        assert catalogue.paths[number] == stream.path
        assert catalogue.path_number[stream.path.id] == number
        assert row in catalogue.streams_of[number]
        assert catalogue.site_number[stream.path.source.site] == catalogue.stream_source[row]
    assert catalogue.stream_id.tolist() == [stream.stream_id for stream in streams]
    assert sum(map(len, catalogue.streams_of)) == len(streams)


def test_a_demand_has_its_target_its_path_and_both_ends(
    everything: Map, catalogue: Catalogue
) -> None:
    network, _, demands = everything
    for row, demand in enumerate(demands):
        number = int(catalogue.demand_path[row])
        assert catalogue.paths[number] == demand.path
        assert row in catalogue.demands_of[number]
        assert network.targets[catalogue.demand_target[row]].name == demand.target.name
        ends = catalogue.demand_source[row], catalogue.demand_destination[row]
        sites = list(catalogue.site_number)
        assert [sites[end] for end in ends] == [
            demand.path.source.site,
            demand.path.destination.site,
        ]
    assert sum(map(len, catalogue.demands_of)) == len(demands)


def test_a_path_that_nobody_measures_has_its_place_by_its_demands(everything: Map) -> None:
    network, streams, demands = everything
    catalogue = catalogue_of(network, (), demands, ())
    assert {path.id for path in catalogue.paths} == {demand.path.id for demand in demands}
    assert catalogue.streams_of == ((),) * len(catalogue.paths)
    assert len(catalogue.stream_id) == 0
    assert len(catalogue_of(network, streams, (), ()).demand_path) == 0


def test_streams_of_old_plans_stay_with_their_paths(everything: Map) -> None:
    path = "nanjing.telecom.v4>gone.telecom.v4"
    old = [
        StreamRecord(stream_id=number, agent="nanjing", path=path, protocol="udp", type_p="udp4")
        for number in (1, 2)
    ]
    catalogue = catalogue_of(*everything, old)
    assert catalogue.recorded == {path: tuple(old)}
    assert path not in catalogue.path_number
    assert np.isin([1, 2], catalogue.stream_id).sum() == 0
