"""Meshes on trial: two clusters of near neighbours, far apart, and a clock in one that may lie.

Between near neighbours light in fibre leaves little room for a false clock; between the clusters it
leaves more than the lie needs. So the far paths, on which the verdicts are asked, can only be kept
from error by what the near ones know.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np

from lab.trial.case import Case, Clocks
from lab.trial.draw import draw_case
from lab.trial.family import Family

CLUSTER = 4  # nodes
_LIAR_SHARE = 0.75  # of meshes
_NEAR_NS = (0.3e6, 0.8e6)
_NEAR_SLACK_NS = (5e3, 60e3)
_CLAIMED_NS = (5e3, 40e3)
_LIES_NS = (0.4e6, 2e6)


def draw_meshes(family: Family, share: int, rng: np.random.Generator) -> list[Case]:
    """Return the cases of as many meshes as hold `share` far paths; all else is not scored."""
    cases: list[Case] = []
    scored = first_node = 0
    while scored < share:
        mesh = _draw_mesh(family, first_node, rng)
        for case in mesh:
            far = _cluster(case, first_node, 0) != _cluster(case, first_node, 1)
            scored += far
            cases.append(replace(case, scored=far and scored <= share))
        first_node += 2 * CLUSTER
    return cases


def _cluster(case: Case, first_node: int, end: int) -> int:
    assert case.nodes is not None
    return (case.nodes[end] - first_node) // CLUSTER


def _draw_mesh(family: Family, first_node: int, rng: np.random.Generator) -> list[Case]:
    nodes = 2 * CLUSTER
    claimed = rng.uniform(*_CLAIMED_NS, nodes)
    offset = rng.uniform(-claimed, claimed)
    if rng.random() < _LIAR_SHARE:
        offset[rng.integers(nodes)] = rng.uniform(*_LIES_NS) * rng.choice((-1.0, 1.0))
    cases = []
    for a, b in rng.permutation(list(combinations(range(nodes), 2))):
        clocks = Clocks(
            offset_ns=float(offset[b] - offset[a]), bound_ns=float(claimed[a] + claimed[b])
        )
        case = draw_case(family, rng)
        if a // CLUSTER == b // CLUSTER:
            case = _near(case, rng)
        ends = (first_node + int(a), first_node + int(b))
        cases.append(replace(case, clocks=(clocks,), nodes=ends))
    return cases


def _near(case: Case, rng: np.random.Generator) -> Case:
    """Return the case as a path between neighbours."""
    floor = float(rng.uniform(*_NEAR_NS))
    slack = rng.uniform(*_NEAR_SLACK_NS, 2)
    return replace(
        case,
        floor_ns=floor,
        forward_base_ns=floor + float(slack[0]),
        backward_base_ns=floor + float(slack[1]),
    )
