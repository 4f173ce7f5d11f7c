"""Delay laws whose quantiles and means are known exactly: what a trial holds verdicts against.

A way (there or back) is a constant base plus noise ≥ 0. Sums of both ways stay exact because noise
lies on one way only, or on both with a law that is closed under sums (gamma of one scale, normal).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Law = Literal["none", "gamma", "lognormal", "lomax", "normal", "two_routes"]

SLOW_SHARE = 1 / 8  # of two routes: one flow in eight takes the slow one
SLOW_SHIFT = 20.0  # by how many spans of its noise the slow route is slower

NORMAL_SHIFT = 6.0  # mean of normal noise in deviations: practically never below the base


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """A law of noise. `shape`: gamma k, lognormal sigma, lomax alpha, normal mean / deviation.

    Of two routes each has noise spread evenly over one scale; the slow one begins SLOW_SHIFT later.
    """

    law: Law = "none"
    scale_ns: float = 0.0
    shape: float = 1.0

    def quantile_ns(self, level: Floats | float) -> Floats:
        """Return the exact quantiles; +inf at levels above 1 (lost probes stand there)."""
        p = np.asarray(level, np.float64)
        inside = np.clip(p, 0.0, 1.0)
        with np.errstate(divide="ignore"):
            unit = self._unit_quantile(inside)
        return np.where(p > 1, np.inf, unit * self.scale_ns if self.scale_ns else 0.0)

    def _unit_quantile(self, p: Floats) -> Floats:
        if self.law == "gamma":
            value = -np.log1p(-p) if self.shape == 1 else special.gammaincinv(self.shape, p)
        elif self.law == "lognormal":
            value = np.exp(self.shape * special.ndtri(p))
        elif self.law == "lomax":
            value = (1 - p) ** (-1 / self.shape) - 1
        elif self.law == "normal":
            value = self.shape + special.ndtri(p)
        elif self.law == "two_routes":
            quick = 1 - SLOW_SHARE
            value = np.where(p <= quick, p / quick, SLOW_SHIFT + (p - quick) / SLOW_SHARE)
        else:
            value = np.zeros_like(p)
        return np.asarray(value, np.float64)

    @property
    def mean_ns(self) -> float:
        """Return the exact mean."""
        unit = {
            "none": 0.0,
            "gamma": self.shape,
            "lognormal": math.exp(self.shape**2 / 2),
            "lomax": 1 / (self.shape - 1) if self.shape > 1 else math.inf,
            "normal": self.shape,
            "two_routes": 0.5 + SLOW_SHARE * SLOW_SHIFT,
        }[self.law]
        return unit * self.scale_ns

    def sample_ns(self, rng: np.random.Generator, count: int, memory: float = 0.0) -> Floats:
        """Draw `count` values in order; `memory` is how much of each is kept by the next.

        With memory the values are those of a stationary AR(1) process put through the quantile
        function: the law of every single value stays exact (a Gaussian copula).
        """
        if memory == 0 and self.law == "gamma":
            return rng.gamma(self.shape, self.scale_ns, count)
        if memory == 0:
            return self.quantile_ns(rng.random(count))
        return self.quantile_ns(special.ndtr(_sluggish(rng, count, memory)))

    def difference_quantile_ns(self, level: float) -> float:
        """Return the exact quantile of |X - Y| for two independent values; NaN where unknown."""
        if self.law == "none":
            return 0.0
        if self.law == "gamma" and self.shape == 1:  # the difference is Laplace
            return -self.scale_ns * math.log1p(-level)
        if self.law == "normal":
            return math.sqrt(2) * self.scale_ns * float(special.ndtri((1 + level) / 2))
        return math.nan


def _sluggish(rng: np.random.Generator, count: int, memory: float) -> Floats:
    from scipy.signal import lfilter

    fresh = rng.standard_normal(count) * math.sqrt(1 - memory**2)
    start = rng.standard_normal() * memory
    values, _ = lfilter([1.0], [1.0, -memory], fresh, zi=[start])
    return np.asarray(values, np.float64)


def sum_of(forward: Noise, backward: Noise) -> Noise:
    """Return the law of the sum of both ways' independent noise.

    Raises ValueError where it has no closed form: such a path cannot be on trial.
    """
    if backward.law == "none":
        return forward
    if forward.law == "none":
        return backward
    if forward.law == backward.law == "gamma" and forward.scale_ns == backward.scale_ns:
        shape = forward.shape + backward.shape
        return Noise(law="gamma", scale_ns=forward.scale_ns, shape=shape)
    if forward.law == backward.law == "normal":
        scale = math.hypot(forward.scale_ns, backward.scale_ns)
        shift = NORMAL_SHIFT * (forward.scale_ns + backward.scale_ns) / scale
        return Noise(law="normal", scale_ns=scale, shape=shift)
    raise ValueError(f"The sum of {forward.law} and {backward.law} noise is not known exactly.")
