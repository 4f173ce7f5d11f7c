"""The textbook's bounds hold the truth, from much less than the judge has, or it says nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.trial.case import Case, Loss
from lab.trial.cases import draw_cases
from lab.trial.draw import draw_pair
from lab.trial.simulate import probes_of
from lab.trial.textbook import Bounds, bounds, design_effect, lost_between, pair_bounds
from tests.lab.trial.named import SINGLE, family
from tests.lab.trial.test_case import path


def probes(case: Case, seed: int = 1):
    return probes_of([case], seed)[0]


def test_a_limit_is_clear_of_bounds_that_lie_on_one_side_of_all_of_it() -> None:
    assert Bounds(1.0, 2.0).clear_of(2.0, 3.0)  # at most the limit passes
    assert Bounds(3.5, 4.0).clear_of(2.0, 3.0)
    assert not Bounds(3.0, 4.0).clear_of(2.0, 3.0)  # the least it may be is the limit
    assert not Bounds(-math.inf, math.inf).clear_of(2.0, 3.0)


def test_what_it_says_holds_the_truth() -> None:
    told = [
        (case, found)
        for case in draw_cases([each for each in SINGLE if not each.mesh], 300, 8)
        if isinstance(case, Case) and (found := bounds(case, probes(case))) is not None
    ]
    missed = [
        (c.family, f) for c, f in told if not f.low <= c.truth * (1 + 1e-9) and c.truth <= f.high
    ]
    assert len(told) > 150
    assert len(missed) <= 0.02 * len(told), missed


def test_it_has_no_method_for_meshes_repeated_looks_pdv_and_clocks_that_lie() -> None:
    plain = path(probes=1000)
    assert bounds(plain, probes(plain)) is not None
    lie = replace(plain.clocks[0], offset_ns=1e6, bound_ns=1e3)
    for other in (
        replace(plain, looks=20),
        replace(plain, nodes=(0, 1)),
        replace(plain, kind="pdv"),
        replace(plain, clocks=(lie,)),
    ):
        assert bounds(other, probes(other)) is None


def test_probes_that_resemble_their_neighbours_count_for_fewer() -> None:
    assert design_effect(path()) == 1.0
    assert design_effect(path(memory=0.8)) == pytest.approx(9.0)
    assert design_effect(path(loss_forward=Loss(ratio=1.0))) == 1.0
    # Independent loss: the length of its bursts is what chance makes it.
    assert design_effect(path(loss_forward=Loss(ratio=0.2))) == pytest.approx(1.0)
    assert design_effect(path(loss_forward=Loss(ratio=0.01, burst=5.0))) > 5.0


@given(st.floats(0.0, 0.3), st.floats(0.0, 0.3), st.booleans())
@settings(max_examples=40, deadline=None)
def test_what_was_lost_on_one_way_is_known_within_what_has_no_direction(
    there: float, back: float, directed: bool
) -> None:
    case = path(
        probes=400,
        loss_forward=Loss(ratio=there),
        loss_backward=Loss(ratio=back),
        directed=directed,
    )
    found = probes(case)
    surely, possibly = lost_between(case, found)
    whole = lost_between(replace(case, direction="round_trip"), found)
    assert 0 <= surely <= possibly <= len(found)
    assert whole[0] == whole[1] >= surely
    if directed and whole[0] < len(found):
        assert surely == possibly


@pytest.mark.parametrize(
    "name",
    [
        "channel_against_ordinary",
        "channel_against_ordinary_loss",
        "improvement",
        "improvement_loss",
    ],
)
def test_of_pairs_it_holds_the_ratio_or_says_nothing(name: str) -> None:
    rng, asked = np.random.default_rng(5), family(name)
    told = 0
    for seed in range(25):
        pair = draw_pair(asked, rng)
        own, other = probes(pair.own, seed), probes(pair.other, seed + 1000)
        found = pair_bounds(pair, own, other)
        if found is not None:
            told += 1
            truth = pair.loss_ratio if pair.indicator == "loss" else pair.delay_ratio
            assert found.low <= truth * (1 + 1e-9)
            assert truth <= found.high * (1 + 1e-9)
        else:
            assert pair.own.statistic != "mean" or pair.direction == "one_way"
    assert told
