import pathlib

import numpy as np
import pytest

from controller.judge.evidence import KINDS
from controller.live.rules import candidates_of, chosen, rules_of
from topology.mesh import plan_streams
from topology.model import Demand, PlannedStream
from topology.site_file import load_network
from topology.targets import demands

Planned = tuple[tuple[PlannedStream, ...], tuple[Demand, ...]]


@pytest.fixture
def planned(site_file: pathlib.Path) -> Planned:
    network = load_network(site_file)
    streams = plan_streams(network)
    return streams, demands(network, streams)


def test_first_protocol_of_the_target_is_judged(planned: Planned) -> None:
    streams, asked = planned
    sent, fresh = np.ones(len(streams), np.int64), np.ones(len(streams), np.bool_)
    row = chosen(candidates_of(asked, streams), sent, fresh)
    for demand, number in zip(asked, row, strict=True):
        assert streams[number].path.id == demand.path.id
        assert streams[number].type_p.protocol == "udp"


def test_protocol_that_sends_nothing_gives_way_to_the_next(planned: Planned) -> None:
    streams, asked = planned
    sent = np.array([stream.type_p.protocol == "icmp" for stream in streams], np.int64)
    row = chosen(candidates_of(asked, streams), sent, np.ones(len(streams), np.bool_))
    assert {streams[number].type_p.protocol for number in row} == {"icmp"}


def test_path_that_nothing_measures_has_no_row(planned: Planned) -> None:
    _, asked = planned
    row = chosen(candidates_of(asked, ()), np.zeros(0, np.int64), np.zeros(0, np.bool_))
    assert set(row.tolist()) == {-1}


def test_limits_and_kinds_are_those_of_the_demands(planned: Planned) -> None:
    streams, asked = planned
    rules = rules_of(asked, candidates_of(asked, streams)[:, 0])
    for i, demand in enumerate(asked):
        assert KINDS[rules.kind[i]] == demand.target.kind
        assert rules.limit[i] == (demand.limit_ns or demand.limit_ratio)
        assert rules.limit_low[i] <= rules.limit[i] <= rules.limit_high[i]


def test_no_demands_are_no_rules() -> None:
    assert rules_of((), np.zeros(0, np.int64)).rows == 0
