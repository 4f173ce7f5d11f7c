"""One case, or one pair, drawn from a family: paths such that their true figure is as wished.

The figure of a case is in the limit's unit; that of a pair is the ratio of its two paths' figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lab.trial.case import LEVELS, Case, Direction, Loss, Statistic
from lab.trial.clocks import STYLES, Slack
from lab.trial.delays import NORMAL_SHIFT, Noise, sum_of
from lab.trial.family import Family, NoiseStyle
from lab.trial.pair_case import PairCase

_CALIBRATIONS_NS = (0.0, 500.0, 5_000.0)
_PLAIN_DELAY_NS = 5e6  # of paths on which delay is not what is judged
_CALM = (0.5, 2.0)  # how much more noise one path may have than the other


def draw_case(family: Family, rng: np.random.Generator) -> Case:
    """Draw one case of a family."""
    asked = _ask(family, rng)
    ways = _ways(family, asked, rng)
    floor = float(rng.uniform(*family.floor_share)) * min(ways.forward_ns, ways.backward_ns)
    slack = Slack(ways.forward_ns - floor, ways.backward_ns - floor)
    uncertainty = float(_one(rng, family.distance_uncertainty))
    told = asked.limit / (1 + float(rng.uniform(-uncertainty, uncertainty)))
    calibration = float(_one(rng, _CALIBRATIONS_NS))
    errors = rng.uniform(-calibration / 2, calibration / 2, 2)
    return Case(
        family=family.name,
        kind=family.kind,
        direction=asked.direction,
        statistic=asked.statistic,
        limit=asked.limit,
        told_limit=told,
        limit_low=told * (1 - uncertainty),
        limit_high=told * (1 + uncertainty),
        probes=int(_one(rng, family.probes)),
        windows=int(_one(rng, family.windows)),
        forward_base_ns=ways.forward_ns,
        backward_base_ns=ways.backward_ns,
        forward_noise=ways.forward_noise,
        backward_noise=ways.backward_noise,
        memory=float(_one(rng, family.memory)),
        loss_forward=asked.loss_forward,
        loss_backward=asked.loss_backward,
        directed=family.directed,
        floor_ns=floor,
        clocks=STYLES[_one(rng, family.clocks)](rng, slack),
        calibration_ns=calibration,
        timestamp_error_ns=(float(errors[0]), float(errors[1])),
        looks=family.looks,
    )


@dataclass(frozen=True, slots=True)
class _Demanded:
    """What is demanded, what is true of it, and the losses; `truth` in the limit's unit."""

    direction: Direction
    statistic: Statistic
    limit: float
    truth: float
    loss_forward: Loss
    loss_backward: Loss

    @property
    def kept(self) -> float:
        """Share of probes that a quantile of the judged direction counts as finite."""
        back = self.loss_backward.ratio if self.direction == "round_trip" else 0.0
        return (1 - self.loss_forward.ratio) * (1 - back)


@dataclass(frozen=True, slots=True)
class _Ways:
    """Bases and noise of both ways."""

    forward_ns: float
    backward_ns: float
    forward_noise: Noise
    backward_noise: Noise


def _ask(family: Family, rng: np.random.Generator) -> _Demanded:
    direction: Direction = _one(rng, family.directions)
    statistic: Statistic = _one(rng, family.statistics)
    margin = float(_one(rng, family.margins))
    there, back, burst = _one(rng, family.losses)
    if family.kind == "loss":
        limit = float(_one(rng, family.limit_ratios))
        there, back = _loss_ratios(limit * (1 + margin), there, back, direction)
    else:
        limit = float(_one(rng, family.limits_ms)) * 1e6
    return _Demanded(
        direction,
        statistic,
        limit,
        limit * (1 + margin),
        Loss(ratio=there, burst=burst),
        Loss(ratio=back, burst=burst),
    )


def _loss_ratios(
    truth: float, there: float, back: float, direction: Direction
) -> tuple[float, float]:
    """Return the loss of each way, shared by weights so that the judged loss is exactly `truth`."""
    whole = there + back if direction == "round_trip" else there
    return 1 - (1 - truth) ** (there / whole), 1 - (1 - truth) ** (back / whole)


def _ways(family: Family, asked: _Demanded, rng: np.random.Generator) -> _Ways:
    """Return ways whose judged figure is exactly what is asked."""
    style: NoiseStyle = _one(rng, family.noises)
    there = asked.direction == "one_way" or rng.random() < 0.5
    shape = float(rng.uniform(0.8, 1.3)) if style == "lognormal" else float(rng.uniform(3, 5))
    asymmetry = float(np.exp(rng.uniform(*np.log(family.asymmetry))))
    unit = _noises(style, 1.0, shape, there=there)
    if family.kind in ("loss", "variation", "pdv"):
        delay = _PLAIN_DELAY_NS
        wished = 0.1 * delay if family.kind == "loss" else asked.truth
        forward, backward = _noises(
            style, wished / _varies(family, asked, unit), shape, there=there
        )
        return _Ways(delay, delay * asymmetry, forward, backward)
    wished = float(rng.uniform(*family.noise_share)) * asked.truth
    forward, backward = _noises(style, wished / _part(*unit, asked), shape, there=there)
    base = asked.truth - _part(forward, backward, asked)
    if asked.direction == "one_way":
        return _Ways(base, base * asymmetry, forward, backward)
    return _Ways(base / (1 + asymmetry), base * asymmetry / (1 + asymmetry), forward, backward)


def _varies(family: Family, asked: _Demanded, unit: tuple[Noise, Noise]) -> float:
    """Return the variation that noise of scale 1 has; PDV but for the least noise of the period."""
    if family.kind == "loss":
        return 1.0
    if family.kind == "variation":
        return sum_of(*unit).difference_quantile_ns(LEVELS[asked.statistic])
    noise = unit[0] if asked.direction == "one_way" else sum_of(*unit)
    return float(noise.quantile_ns(LEVELS[asked.statistic]))


def _part(forward: Noise, backward: Noise, asked: _Demanded) -> float:
    """Return what the noise adds to the judged figure (where that is infinite: without losses)."""
    noise = forward if asked.direction == "one_way" else sum_of(forward, backward)
    if asked.statistic == "mean":
        return noise.mean_ns
    level = LEVELS[asked.statistic]
    return float(noise.quantile_ns(level / asked.kept if level < asked.kept else level))


def _noises(
    style: NoiseStyle, scale_ns: float, shape: float, *, there: bool
) -> tuple[Noise, Noise]:
    """Return the noise of both ways; of a style for one way, it lies `there` or on the way back."""
    if style == "quiet":
        return Noise(), Noise()
    if style == "exponential_both" or style == "gamma_both":
        both = Noise(law="gamma", scale_ns=scale_ns, shape=1.0 if style[0] == "e" else 3.0)
        return both, both
    if style == "normal_both":
        both = Noise(law="normal", scale_ns=scale_ns, shape=NORMAL_SHIFT)
        return both, both
    if style == "exponential":
        one = Noise(law="gamma", scale_ns=scale_ns)
    else:
        one = Noise(law=style, scale_ns=scale_ns, shape=shape)
    return (one, Noise()) if there else (Noise(), one)


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


def _one(rng: np.random.Generator, choices: Sequence[Any]) -> Any:
    return choices[int(rng.integers(len(choices)))]
