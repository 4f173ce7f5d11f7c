"""One case of a trial: a path, its clocks, what is demanded of it, and what is true of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lab.trial.delays import Noise, sum_of

Kind = Literal["delay", "loss", "delay_ratio", "variation", "pdv"]
Direction = Literal["one_way", "round_trip"]
Statistic = Literal["p50", "p90", "p95", "p99", "p999", "mean"]
ROUNDING = 1e-9  # a truth made to lie at the limit may miss it by the last bits of a float
LEVELS = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Gilbert loss: bursts of `burst` probes on the mean; 1 / (1 - ratio) is independent loss."""

    ratio: float = 0.0
    burst: float = 1.0

    def sample(self, rng: np.random.Generator, count: int) -> NDArray[np.bool_]:
        """Return which of `count` probes in a row are lost; the first state is stationary."""
        if self.ratio in (0.0, 1.0):
            return np.full(count, self.ratio == 1.0)
        # Runs of lost and of kept probes take turns; both lengths are geometric.
        lost_mean = max(self.burst, 1 / (1 - self.ratio))
        kept_mean = lost_mean * (1 - self.ratio) / self.ratio
        runs = 2 * math.ceil(count / (lost_mean + kept_mean) * 1.5 + 20)
        first_lost = rng.random() < self.ratio
        is_lost = (np.arange(runs) % 2 == 0) == first_lost
        mean = np.where(is_lost, lost_mean, kept_mean)
        # Where loss is rare, runs are all but endless: as long as the whole is enough.
        length = np.minimum(rng.geometric(1 / np.minimum(mean, 1e15)), count)
        state = np.repeat(is_lost, length)
        while len(state) < count:
            state = np.concatenate([state, self.sample(rng, count - len(state))])
        return state[:count]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """What the far clock shows more than the near one, and what both claim of themselves.

    The offset starts at `offset_ns` and grows by `skew_ppm`; the claimed bound starts at
    `bound_ns` (NaN: not synchronised) and grows by `growth_ppm`.
    """

    offset_ns: float = 0.0
    skew_ppm: float = 0.0
    bound_ns: float = math.nan
    growth_ppm: float = 0.0

    def at(self, elapsed_s: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (offset, claimed bound) in nanoseconds at seconds since the phase began."""
        passed_us = elapsed_s * 1e3  # ns of drift a ppm
        offset = self.offset_ns + self.skew_ppm * passed_us
        return offset, self.bound_ns + self.growth_ppm * passed_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A path on trial. Delays in nanoseconds; `limit` in ns, or a ratio for loss.

    `limit` is what is truly demanded; `told_limit`, `limit_low`, `limit_high` what the judge is
    told of it (they differ where the road distance is only estimated). `clocks`: phases of equal
    length, one after the other. `directed`: the reflector counts by itself, so losses have a
    direction. `timestamp_error_ns` (forward, backward): constant errors within `calibration_ns`
    together. `looks`: how often the verdict is looked at while data come in; 1 = at the end.
    `nodes`: the ends' numbers where the path belongs to a mesh. `scored` is false for paths that
    are only there to complete a mesh. The noise of window w, counted from `first_window`, is
    multiplied by 1 + swing × sin(2π w / cycle), as hours of a day do; truth_of is that of no swing.
    """

    family: str
    kind: Kind
    direction: Direction
    statistic: Statistic
    limit: float
    told_limit: float
    limit_low: float
    limit_high: float
    probes: int
    windows: int
    forward_base_ns: float
    backward_base_ns: float
    forward_noise: Noise
    backward_noise: Noise
    memory: float = 0.0
    loss_forward: Loss = Loss()
    loss_backward: Loss = Loss()
    directed: bool = True
    floor_ns: float = 0.0
    clocks: tuple[Clocks, ...] = (Clocks(),)
    calibration_ns: float = 0.0
    timestamp_error_ns: tuple[float, float] = (0.0, 0.0)
    looks: int = 1
    nodes: tuple[int, int] | None = None
    scored: bool = True
    first_window: int = 0
    swing: float = 0.0
    cycle_windows: int = 24

    def swing_of(self, window: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what the noise of these windows is multiplied by."""
        turn: NDArray[np.float64] = 2 * np.pi * window / self.cycle_windows
        return 1 + self.swing * np.sin(turn)

    @property
    def truth(self) -> float:
        """Return the true value of what is judged."""
        return truth_of(self, self.kind, self.direction, self.statistic)

    @property
    def true_verdict(self) -> Literal["pass", "fail"]:
        """Return the verdict that an all-knowing judge would give."""
        return "pass" if self.truth <= self.limit * (1 + ROUNDING) else "fail"


def truth_of(case: Case, kind: Kind, direction: Direction, statistic: Statistic) -> float:
    """Return the true figure of a case's path, from its laws alone; NaN where none is known.

    Quantiles count lost probes as infinite, means are over received probes (and infinite where
    nothing is ever received), as the judge defines them. Of kind pdv it is the quantile itself: the
    least delay of the period, which is to be taken from it, is a fact of the period.
    """
    kept = 1 - case.loss_forward.ratio
    if direction == "round_trip":
        kept *= 1 - case.loss_backward.ratio
    if kind == "loss":
        return 1 - kept
    if kind == "variation":
        if statistic == "mean" or case.memory:
            return math.nan
        return sum_of(case.forward_noise, case.backward_noise).difference_quantile_ns(
            LEVELS[statistic]
        )
    base, noise = case.forward_base_ns, case.forward_noise
    if direction == "round_trip":
        base += case.backward_base_ns
        noise = sum_of(case.forward_noise, case.backward_noise)
    if kept == 0:
        return math.nan if kind == "pdv" else math.inf
    if kind == "pdv":  # over what is received
        kept = 1.0
    if statistic == "mean":
        return base + noise.mean_ns
    return base + float(noise.quantile_ns(LEVELS[statistic] / kept))
