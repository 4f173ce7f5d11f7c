"""Clocks that the evidence refutes: over a mesh, and by delays that do not add up."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.judge.clock_faults import (
    broken_timestamps,
    close_mesh,
    distrust,
    identity_gap_ns,
    touched_by,
)
from controller.judge.evidence import CLOCK_FAULTS, UNDECIDED
from controller.judge.explain import explain
from controller.judge.judge import judge
from probes.histogram import Histograms

MS, US = 1e6, 1e3
# The fixture `evidence` is a function without state.
STATELESS = [HealthCheck.function_scoped_fixture]


def mesh(evidence, rng, offsets, claimed, slack, both_ways=False):
    """A full mesh of paths of 2 ms floor; asymmetry lies anywhere within ± slack."""
    nodes = len(offsets)
    pairs = [(a, b) for a in range(nodes) for b in range(nodes) if a < b or (both_ways and a > b)]
    forward, backward, bound = [], [], []
    extra = {}
    for a, b in pairs:
        key = (min(a, b), max(a, b))
        if key not in extra:
            extra[key] = rng.uniform(0, 2 * slack)
        part = extra[key] if a < b else 2 * slack - extra[key]
        forward.append(np.full(5, 2 * MS + part))
        backward.append(np.full(5, 2 * MS + 2 * slack - part))
        bound.append(claimed[a] + claimed[b])
    source, destination = np.array(pairs).T
    rows = evidence(
        [f + b for f, b in zip(forward, backward, strict=True)],
        forward,
        bound=np.array(bound),
        floor=2 * MS,
    )
    theta = np.asarray(offsets)[destination] - np.asarray(offsets)[source]
    rows.least_ns["forward"] += theta
    rows.least_ns["backward"] -= theta
    return rows, source, destination


@settings(max_examples=25, deadline=None, suppress_health_check=STATELESS)
@given(
    seed=st.integers(0, 2**32), nodes=st.integers(4, 14), offset_ms=st.sampled_from([-50, -2, 2, 9])
)
def test_a_liar_is_named_and_only_the_liar(evidence, seed, nodes, offset_ms):
    rng = np.random.default_rng(seed)
    liar = int(rng.integers(nodes))
    offsets = rng.uniform(-20 * US, 20 * US, nodes)
    offsets[liar] = offset_ms * MS
    rows, source, destination = mesh(evidence, rng, offsets, np.full(nodes, 20 * US), 0.2 * MS)
    found = close_mesh(rows, source, destination, nodes)
    assert np.flatnonzero(found.liar).tolist() == [liar]
    assert found.offset_ns[liar] == pytest.approx(offsets[liar], abs=0.6 * MS)


@settings(max_examples=40, deadline=None, suppress_health_check=STATELESS)
@given(seed=st.integers(0, 2**32), nodes=st.integers(2, 12), slack_us=st.sampled_from([0, 5, 900]))
def test_honest_clocks_are_not_accused(evidence, seed, nodes, slack_us):
    rng = np.random.default_rng(seed)
    claimed = rng.choice([20 * US, 3 * MS], nodes)
    offsets = rng.uniform(-claimed, claimed)
    rows, source, destination = mesh(evidence, rng, offsets, claimed, slack_us * US, True)
    assert not close_mesh(rows, source, destination, nodes).liar.any()


def test_errors_shrink_as_the_mesh_grows(evidence):
    rng = np.random.default_rng(1)
    error = []
    for nodes in (3, 6, 12):
        rows, source, destination = mesh(
            evidence, rng, np.zeros(nodes), np.full(nodes, US), 0.5 * MS
        )
        error.append(close_mesh(rows, source, destination, nodes).error_ns.max())
    assert error[0] > error[1] > error[2]


def test_two_nodes_that_contradict_each_other_are_both_named(evidence):
    rows, source, destination = mesh(
        evidence, np.random.default_rng(2), [0.0, 50 * MS], [US, US], 0.1 * MS
    )
    found = close_mesh(rows, source, destination, 2)
    assert found.liar.tolist() == [True, True]
    assert touched_by(source, destination, found.liar).all()


@pytest.mark.parametrize(("nodes", "triangles"), [(2, 0), (3, 1), (4, 3), (8, 21)])
def test_a_full_mesh_has_every_triangle_of_each_node(evidence, nodes, triangles):
    rows, source, destination = mesh(
        evidence, np.random.default_rng(5), [0.0] * nodes, [US] * nodes, 0.1 * MS, both_ways=True
    )
    found = close_mesh(rows, source, destination, nodes)
    assert found.pairs.tolist() == [nodes - 1] * nodes
    assert found.triangles.tolist() == [triangles] * nodes


def test_the_spokes_of_a_star_have_no_triangle(evidence):
    rows, source, destination = mesh(
        evidence, np.random.default_rng(6), [0.0] * 5, [US] * 5, 0.1 * MS
    )
    spoke = (source == 0) | (destination == 0)
    found = close_mesh(rows, np.where(spoke, source, -1), np.where(spoke, destination, -1), 5)
    assert found.pairs.tolist() == [4, 1, 1, 1, 1]
    assert not found.triangles.any()


def test_streams_of_no_mesh_are_left_alone(evidence):
    rows, _, _ = mesh(evidence, np.random.default_rng(3), [0.0, 0.0, 0.0], [US] * 3, 0.1 * MS)
    nowhere = np.full(3, -1)
    found = close_mesh(rows, nowhere, nowhere, 0)
    assert not found.refuted.any()
    assert not touched_by(nowhere, nowhere, found.liar).any()


def test_parts_without_a_link_are_solved_apart(evidence):
    rng = np.random.default_rng(4)
    offsets = [0.0, 0.0, 30 * MS, 30 * MS]
    rows, source, destination = mesh(evidence, rng, offsets, [US] * 4, 0.1 * MS)
    apart = (source < 2) == (destination < 2)
    source, destination = np.where(apart, source, -1), np.where(apart, destination, -1)
    assert not close_mesh(rows, source, destination, 4).liar.any()


MS = 1e6


def ways(evidence, **known):
    rng = np.random.default_rng(1)
    there = [2 * MS + rng.exponential(0.1 * MS, 200) for _ in range(2)]
    trips = [2 * one + 0.4 * MS for one in there]
    return evidence(trips, there, bound=10e3, floor=1 * MS, **known)


def test_ways_add_up_to_the_round_trip_whatever_the_clocks_say(evidence):
    for offset in (0.0, 0.3 * MS, -50 * MS):
        seen = ways(evidence, offset=offset)
        assert np.abs(identity_gap_ns(seen)).max() < 1.0
        assert not broken_timestamps(seen).any()


def test_ways_that_do_not_add_up_lose_their_clocks(evidence, rules):
    seen = ways(evidence)
    seen.mean_ns["forward"] += np.array([0.0, 0.5 * MS])
    nowhere = np.full(2, -1)
    sound, found = distrust(seen, nowhere, nowhere, 0)
    assert np.isnan(sound.clock_bound_ns).tolist() == [False, True]
    assert not len(found.liar)
    assert [CLOCK_FAULTS[code] for code in sound.clock_doubt] == ["none", "broken_timestamps"]
    asked = rules(2, limit=3 * MS, direction="one_way")
    assert judge(seen, asked).verdict[1] != UNDECIDED
    assert judge(sound, asked).verdict[1] == UNDECIDED


def test_what_is_not_of_the_same_probes_is_not_compared(evidence):
    seen = ways(evidence)
    none = {"backward": Histograms.empty(2)}
    fewer = replace(seen, distributions=seen.distributions | none)
    assert np.isnan(identity_gap_ns(fewer)).all()


def test_a_verdict_that_the_mesh_takes_the_clock_from_says_so(evidence, rules):
    """Nodes 0, 1, 2; the clock of node 2 is 20 ms off and claims 10 µs."""
    rng = np.random.default_rng(2)
    there = [20 * MS + rng.exponential(0.1 * MS, 200) for _ in range(3)]
    seen = evidence([2 * one + 0.2 * MS for one in there], there, bound=10e3, floor=19 * MS)
    off = np.array([0.0, 1 * MS, 1 * MS])  # within the room that each path leaves by itself
    for column in (seen.least_ns, seen.mean_ns, seen.most_ns):
        column["forward"] += off
        column["backward"] -= off
    seen = replace(seen, floor_ns=np.array([19.9, 19.9, 19.9]) * MS)
    source, destination = np.array([0, 0, 1]), np.array([1, 2, 2])
    sound, found = distrust(seen, source, destination, 3)
    assert found.liar.tolist() == [False, False, True]
    assert found.triangles.tolist() == [1, 1, 1]
    assert [CLOCK_FAULTS[code] for code in sound.clock_doubt] == [
        "none",
        "refuted_by_mesh",
        "refuted_by_mesh",
    ]
    asked = rules(3, limit=20.2 * MS, direction="one_way", statistic="p50")
    said = judge(sound, asked)
    assert said.verdict.tolist()[1:] == [UNDECIDED, UNDECIDED]
    reason = explain(sound, asked, said, 2)
    assert "the clock at one end is suspected" in reason.en
    assert "一端的时钟可疑" in reason.zh
