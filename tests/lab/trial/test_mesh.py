"""Meshes on trial: every pair of two clusters once, and at most one clock that lies."""

import numpy as np
import pytest

from lab.trial.mesh import CLUSTER, draw_meshes
from tests.lab.trial.named import family

NODES = 2 * CLUSTER
PAIRS = NODES * (NODES - 1) // 2


@pytest.fixture
def cases():
    return draw_meshes(family("mesh_with_a_liar"), 40, np.random.default_rng(4))


def test_as_many_far_paths_are_scored_as_were_asked_for_and_meshes_are_whole(cases) -> None:
    assert sum(case.scored for case in cases) == 40
    assert len(cases) % PAIRS == 0
    for first in range(0, len(cases), PAIRS):
        ends = {tuple(sorted(case.nodes)) for case in cases[first : first + PAIRS]}
        assert len(ends) == PAIRS
        assert len({node for pair in ends for node in pair}) == NODES


def test_no_path_between_neighbours_is_scored(cases) -> None:
    for case in cases:
        near = case.nodes[0] // CLUSTER == case.nodes[1] // CLUSTER
        assert not (near and case.scored)
        slack = case.forward_base_ns - case.floor_ns
        if near:
            assert 0 < slack < 1e5


def test_offsets_are_of_nodes_so_that_triangles_close_and_at_most_one_node_lies(cases) -> None:
    for first in range(0, len(cases), PAIRS):
        mesh = {case.nodes: case.clocks[0] for case in cases[first : first + PAIRS]}
        nodes = sorted({node for pair in mesh for node in pair})
        offset = {nodes[0]: 0.0} | {
            b: clocks.offset_ns for (a, b), clocks in mesh.items() if a == nodes[0]
        }
        lies = set(nodes)
        for (a, b), clocks in mesh.items():
            assert clocks.offset_ns == pytest.approx(offset[b] - offset[a], abs=1e-3)
            if abs(clocks.offset_ns) > clocks.bound_ns:
                lies &= {a, b}
        false = [each for each in mesh.values() if abs(each.offset_ns) > each.bound_ns]
        assert not false or len(lies) == 1
