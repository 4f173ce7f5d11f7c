"""A pair drawn from a family: two paths whose figures are in exactly the ratio that is wished."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lab.trial.case import Case, Loss
from lab.trial.delays import Noise
from lab.trial.draw import draw_case
from lab.trial.family import Family
from lab.trial.pair_case import PairCase

_CALM = (0.5, 2.0)  # how much more noise one path may have than the other


def draw_pair(family: Family, rng: np.random.Generator) -> PairCase:
    """Draw one pair of a family."""
    assert family.pair is not None
    plain = replace(family, kind="delay", margins=(0.0,))
    other = draw_case(plain, rng)
    swing = float(_one(rng, family.pair.swings))
    other = replace(other, swing=swing, cycle_windows=other.windows, looks=1)
    limit = float(_one(rng, family.pair.limits))
    wished = limit * (1 + float(_one(rng, family.margins)))
    aside = round(float(_one(rng, family.pair.aside)) * other.windows)
    own = replace(other, first_window=aside)
    pair = PairCase(
        family=family.name,
        kind=family.pair.kind,
        indicator=family.pair.indicator,
        limit=limit,
        loss_margin=family.pair.loss_margin,
        own=own,
        other=other,
    )
    if family.pair.indicator == "loss":
        return replace(pair, own=_losing(own, wished))
    own = _slower(pair, wished, float(np.exp(rng.uniform(*np.log(_CALM)))))
    if family.pair.kind == "ipv6_parity":
        more = family.pair.loss_margin * float(_one(rng, family.pair.more_loss))
        own = replace(own, loss_forward=_loss(own, own.loss_forward.ratio + more))
    return replace(pair, own=own)


def _losing(case: Case, ratio: float) -> Case:
    """Return the case with `ratio` times its loss each way (all of it lies on one way)."""
    return replace(
        case,
        loss_forward=_loss(case, case.loss_forward.ratio * ratio),
        loss_backward=Loss(),
    )


def _loss(case: Case, ratio: float) -> Loss:
    return Loss(ratio=min(ratio, 1.0), burst=case.loss_forward.burst)


def _slower(pair: PairCase, ratio: float, calm: float) -> Case:
    """Return the own path with `calm` times the noise and `ratio` times the delay of the other."""
    own, wished = pair.own, ratio * pair.delay_ns(pair.other)
    noisy = replace(
        own,
        forward_noise=_scaled(own.forward_noise, calm * ratio),
        backward_noise=_scaled(own.backward_noise, calm * ratio),
    )
    base = own.forward_base_ns
    if own.direction == "round_trip":
        base += own.backward_base_ns
    missing = wished - (pair.delay_ns(noisy) - base)
    grown = missing / base  # of the base, so that the whole comes to what is wished
    return replace(
        noisy,
        forward_base_ns=own.forward_base_ns * grown,
        backward_base_ns=own.backward_base_ns * grown,
        floor_ns=own.floor_ns * min(1.0, grown),
    )


def _scaled(noise: Noise, factor: float) -> Noise:
    return replace(noise, scale_ns=noise.scale_ns * factor)


def _one(rng: np.random.Generator, choices: tuple[float, ...]) -> float:
    return choices[int(rng.integers(len(choices)))]
