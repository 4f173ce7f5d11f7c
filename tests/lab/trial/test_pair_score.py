"""Pairs are simulated, judged by the controller's code, and answered in their order."""

from dataclasses import replace

import numpy as np
import pytest

from controller.judge.comparing import compare
from lab.trial.draw import draw_pair
from lab.trial.pair_score import answer_pairs
from tests.lab.trial.named import family

CHANNEL = "channel_against_ordinary"


def drawn(*names: str):
    rng = np.random.default_rng(2)
    return [draw_pair(family(name), rng) for name in names]


def test_answers_stand_in_the_order_of_the_pairs_whatever_their_kinds() -> None:
    pairs = drawn("improvement", CHANNEL, "improvement_loss", f"{CHANNEL}_loss")
    kinds = [answer.intervals[0][0].split("_")[0] for answer in answer_pairs(pairs, 1, compare, 9)]
    assert kinds == ["improvement", "comparison", "improvement", "comparison"]


@pytest.mark.parametrize("name", [CHANNEL, f"{CHANNEL}_loss", "improvement", "improvement_loss"])
def test_an_answer_has_the_judged_interval_and_the_truth_it_is_held_against(name: str) -> None:
    for pair, answer in zip(p := drawn(*[name] * 6), answer_pairs(p, 3, compare, 99), strict=True):
        assert answer.low < answer.high
        truth = pair.loss_ratio if pair.indicator == "loss" else pair.delay_ratio
        assert any(each[3] == pytest.approx(truth) for each in answer.intervals)


def test_a_path_that_loses_nothing_gives_no_ratio_of_losses() -> None:
    (pair,) = drawn(CHANNEL)
    (answer,) = answer_pairs([pair], 1, compare, 1)
    kinds = {each[0] for each in answer.intervals}
    assert ("comparison_loss_ratio" in kinds) == bool(pair.loss(pair.other))
    assert "comparison_loss_difference" in kinds


def test_the_same_seed_gives_the_same_answers_and_another_does_not() -> None:
    pairs = drawn(CHANNEL, "improvement")
    first, again, other = (answer_pairs(pairs, seed, compare, 9) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_who_is_four_times_slower_than_allowed_is_found_out() -> None:
    (pair,) = drawn(CHANNEL)
    slow = replace(pair, limit=pair.delay_ratio / 4)
    (answer,) = answer_pairs([slow], 1, compare, 1)
    assert answer.low > slow.limit
