"""Demands as the judge takes them: on which rows, within which limits, beside which others."""

import pathlib

import numpy as np
import pytest

from controller.judge.evidence import KINDS
from controller.live.rules import (
    COMPARED_KINDS,
    Comparisons,
    candidates_of,
    chosen,
    comparisons_of,
    rules_of,
)
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


PAIRS = """
[network]
name = "trial"
presets = ["jiangsu"]
[[site]]
name = "near"
city = "nanjing"
roles = ["international_channel", "ordinary_internet"]
interface = [{ carrier = "telecom", ipv4 = "192.0.2.1" }]
[[site]]
name = "far"
city = "singapore"
roles = ["international_channel"]
interface = [{ carrier = "telecom", ipv4 = "192.0.2.2" }]
[[site]]
name = "plain"
city = "singapore"
roles = ["ordinary_internet"]
interface = [{ carrier = "telecom", ipv4 = "192.0.2.3" }]
[[mesh]]
name = "all"
stream = [{ protocol = "icmp" }, { protocol = "udp", port = 8620 }]
"""


@pytest.fixture
def compared(tmp_path: pathlib.Path) -> tuple[Planned, Comparisons]:
    path = tmp_path / "pairs.toml"
    path.write_text(PAIRS, encoding="utf-8")
    network = load_network(path)
    streams = plan_streams(network)
    asked = demands(network, streams)
    return (streams, asked), comparisons_of(asked, streams)


def test_a_comparison_is_of_the_two_paths_that_its_demand_names(
    compared: tuple[Planned, Comparisons],
) -> None:
    (streams, asked), found = compared
    assert len(found.demand) > 0
    every = np.ones(len(streams), np.int64), np.ones(len(streams), np.bool_)
    pairs = found.chosen(*every)
    for number, row in enumerate(found.demand.tolist()):
        demand = asked[row]
        assert demand.target.kind in COMPARED_KINDS
        assert demand.other is not None
        assert found.place[row] == number
        own, other = streams[pairs.own[number]], streams[pairs.other[number]]
        assert (own.path.id, other.path.id) == (demand.path.id, demand.other.id)
        assert own.type_p.protocol == other.type_p.protocol


def test_paths_are_compared_on_a_protocol_that_both_have_sent(
    compared: tuple[Planned, Comparisons],
) -> None:
    (streams, _), found = compared
    for protocol in ("icmp", "udp"):
        sent = np.array([stream.type_p.protocol == protocol for stream in streams], np.int64)
        pairs = found.chosen(sent, np.ones(len(streams), np.bool_))
        for row in np.concatenate([pairs.own, pairs.other]).tolist():
            assert streams[row].type_p.protocol == protocol


def test_what_is_compared_is_linked_so_that_it_is_judged_together(
    compared: tuple[Planned, Comparisons],
) -> None:
    (streams, _), found = compared
    family = list(range(len(streams)))
    for one, other in found.linked().tolist():
        family = [family[one] if mine == family[other] else mine for mine in family]
    for own, other in zip(found.own, found.other, strict=True):
        rows = [row for row in (*own.tolist(), *other.tolist()) if row >= 0]
        assert len({family[row] for row in rows}) == 1
