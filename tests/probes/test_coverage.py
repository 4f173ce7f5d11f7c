"""How many flows cover N equal paths: the table of docs/concepts/measurement.md §5.2, and brute
force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from probes.coverage import coverage, flows_for

TABLE = [  # paths, flows at 95 %, 99 %, 99.9 %
    (2, 6, 8, 11),
    (4, 16, 21, 29),
    (8, 38, 51, 68),
    (16, 90, 115, 150),
    (32, 203, 255, 327),
    (64, 453, 557, 703),
    (128, 998, 1206, 1500),
]


@pytest.mark.parametrize(("paths", "at_95", "at_99", "at_999"), TABLE)
def test_flows_are_as_many_as_the_exact_table_says(paths, at_95, at_99, at_999) -> None:
    found = [flows_for(paths, confidence) for confidence in (0.95, 0.99, 0.999)]
    assert found == [at_95, at_99, at_999]
    assert coverage(paths, at_99) >= 0.99 > coverage(paths, at_99 - 1)


@pytest.mark.parametrize(("paths", "flows"), [(1, 1), (2, 5), (3, 6), (4, 4)])
def test_coverage_is_the_share_of_all_assignments_that_cover(paths: int, flows: int) -> None:
    every = list(itertools.product(range(paths), repeat=flows))
    covering = sum(len(set(taken)) == paths for taken in every)
    assert coverage(paths, flows) == pytest.approx(covering / len(every))


def test_one_path_needs_one_flow_and_too_few_flows_cover_nothing() -> None:
    assert flows_for(1) == 1
    assert coverage(8, 7) == 0.0


@pytest.mark.parametrize(("paths", "confidence"), [(0, 0.9), (1025, 0.9), (8, 1.0), (8, 0.0)])
def test_what_cannot_be_planned_is_refused(paths: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="cannot be planned"):
        flows_for(paths, confidence)


def test_probabilities_grow_with_flows() -> None:
    chances = [coverage(8, flows) for flows in range(8, 80)]
    assert (np.diff(chances) > 0).all()
