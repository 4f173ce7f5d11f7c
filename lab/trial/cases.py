"""All cases of a trial: so many of each family, the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lab.trial.case import Case
from lab.trial.draw import draw_case, draw_pair
from lab.trial.family import Family
from lab.trial.mesh import draw_meshes
from lab.trial.pair_case import PairCase

PAIRS_AT_LEAST = 50  # of a family, as far as eight unscored ones for each scored one allow


def draw_cases(families: Sequence[Family], count: int, seed: int) -> list[Case | PairCase]:
    """Return `count` scored cases, shared out by the families' weights."""
    cases: list[Case | PairCase] = []
    for number, (family, share) in enumerate(zip(families, shares(families, count), strict=True)):
        rng = np.random.default_rng([seed, number, 7])
        if family.mesh:
            cases += draw_meshes(family, share, rng)
        elif family.pair is not None:
            cases += [draw_pair(family, rng) for _ in range(share)]
            # Few pairs tell little of how often their intervals hold: more, that are not scored.
            more = min(8 * share, max(0, PAIRS_AT_LEAST - share))
            cases += [replace(draw_pair(family, rng), scored=False) for _ in range(more)]
        else:
            cases += [draw_case(family, rng) for _ in range(share)]
    return cases


def shares(families: Sequence[Family], count: int) -> list[int]:
    """Return how many of `count` cases each family gets, by largest remainder."""
    weight = np.array([family.weight for family in families])
    exact = weight / weight.sum() * count
    share = np.floor(exact).astype(int)
    rest = np.argsort(share - exact, kind="stable")[: count - int(share.sum())]
    share[rest] += 1
    return [int(n) for n in share]
