"""Two paths, or two periods of one, beside each other: what is demanded, what is true of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lab.trial.case import ROUNDING, Case, Direction, Kind, truth_of

PairKind = Literal["comparison", "ipv6_parity", "improvement"]
Indicator = Literal["delay", "loss"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCase:
    """`own` is judged beside `other`: at the same times, or (improvement) a week after it.

    `limit`: the ratio own / other that is allowed; of kind ipv6_parity `loss_margin` as well: by
    how much the loss may be greater. The windows of both are numbered alike; what counts are those
    that both have.
    """

    family: str
    kind: PairKind
    indicator: Indicator
    limit: float
    loss_margin: float
    own: Case
    other: Case
    scored: bool = True

    @property
    def limit_low(self) -> float:
        """The limit itself: it is known exactly."""
        return self.limit

    limit_high = limit_low

    @property
    def direction(self) -> Direction:
        """The direction in which delays are compared."""
        return self.own.direction

    @property
    def common_windows(self) -> int:
        """Return how many windows both have."""
        return len(self._common())

    def _common(self) -> list[int]:
        return sorted(set(_windows(self.own)) & set(_windows(self.other)))

    def delay_ns(self, case: Case) -> float:
        """Return the true statistic of one side over the common windows."""
        of_mean = case.statistic == "mean"
        if not of_mean and case.swing:
            raise ValueError("The quantile of a swinging delay is not known exactly.")
        still = truth_of(case, "delay", case.direction, case.statistic)
        if not case.swing:
            return still
        base = case.forward_base_ns
        if case.direction == "round_trip":
            base += case.backward_base_ns
        return base + (still - base) * float(case.swing_of(np.array(self._common())).mean())

    def loss(self, case: Case) -> float:
        """Return the true loss of one side in the direction that is compared."""
        kind: Kind = "loss"
        return truth_of(case, kind, case.direction, case.statistic)

    @property
    def delay_ratio(self) -> float:
        """Return own over other."""
        return self.delay_ns(self.own) / self.delay_ns(self.other)

    @property
    def loss_ratio(self) -> float:
        """Return own over other; NaN where the other loses nothing."""
        base = self.loss(self.other)
        return self.loss(self.own) / base if base else float("nan")

    @property
    def true_verdict(self) -> Literal["pass", "fail"]:
        """Return the verdict that an all-knowing judge would give."""
        ratio = self.loss_ratio if self.indicator == "loss" else self.delay_ratio
        kept = ratio <= self.limit * (1 + ROUNDING)
        if self.kind == "ipv6_parity":
            worse = self.loss(self.own) - self.loss(self.other)
            kept = kept and worse <= self.loss_margin * (1 + ROUNDING)
        return "pass" if kept else "fail"


def _windows(case: Case) -> range:
    return range(case.first_window, case.first_window + case.windows)
