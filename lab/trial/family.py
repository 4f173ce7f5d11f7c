"""What a family of cases is. The families themselves are data: `families`, `pair_families`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from foundation.text import Text
from lab.trial.case import Direction, Kind, Statistic
from lab.trial.pair_case import Indicator, PairKind

# How clocks behave: the functions of lab.trial.clocks, by name.
ClockStyle = Literal[
    "tight",
    "honest",
    "unsynchronised",
    "drifting",
    "drifting_unsynchronised",
    "stepped",
    "stepped_into_trust",
    "lying_plainly",
    "lying_subtly",
]
# Where noise lies and of which law; scales follow from the limit and `noise_share`.
NoiseStyle = Literal[
    "quiet",
    "exponential",
    "exponential_both",
    "gamma_both",
    "normal_both",
    "lognormal",
    "lomax",
    "two_routes",
]
ROUND_TRIP: tuple[Direction, ...] = ("round_trip",)
QUANTILES: tuple[Statistic, ...] = ("p50", "p90", "p95", "p99")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairStyle:
    """What makes a family one of pairs: each tuple is what a pair draws one of.

    limits: the ratio of own over other that is allowed; `margins` of the family are relative to it.
    swings: by how much of itself the noise swings over the period. aside: by what share of its
    windows the own path was measured later than the other. more_loss, in loss_margin.
    """

    kind: PairKind
    indicator: Indicator = "delay"
    limits: tuple[float, ...] = (1.0,)
    swings: tuple[float, ...] = (0.0,)
    aside: tuple[float, ...] = (0.0,)
    loss_margin: float = 0.001
    more_loss: tuple[float, ...] = (0.0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A family of cases: each tuple is what a case draws one of, each (low, high) a range.

    margins: (truth - limit) / limit, 0 = exactly at the limit. asymmetry: base of the way back
    over that of the way there. floor_share: light in fibre over the shorter base. noise_share: the
    noise's part of the judged delay. losses: (ratio there, ratio back, mean burst in probes).
    weight: how many cases of a hundred or so. mesh: paths come by whole meshes of two clusters, in
    which one clock may lie; `lab.trial.mesh` says how.
    """

    name: str
    title: Text
    weight: float
    promised: bool = True
    kind: Kind = "delay"
    directions: tuple[Direction, ...] = ("one_way",)
    statistics: tuple[Statistic, ...] = ("p95",)
    limits_ms: tuple[float, ...] = (1, 3, 4, 5, 6)
    limit_ratios: tuple[float, ...] = ()
    margins: tuple[float, ...] = (-0.6, -0.3, -0.1, -0.03, 0.03, 0.1, 0.3, 1.0)
    probes: tuple[int, ...] = (600, 1_800, 3_600)
    windows: tuple[int, ...] = (30, 60)
    noises: tuple[NoiseStyle, ...] = ("exponential", "gamma_both", "normal_both")
    noise_share: tuple[float, float] = (0.03, 0.4)
    asymmetry: tuple[float, float] = (0.7, 1.4)
    floor_share: tuple[float, float] = (0.4, 0.95)
    losses: tuple[tuple[float, float, float], ...] = ((0.0, 0.0, 1.0),)
    directed: bool = True
    clocks: tuple[ClockStyle, ...] = ("tight",)
    memory: tuple[float, ...] = (0.0,)
    distance_uncertainty: tuple[float, ...] = (0.0,)
    looks: int = 1
    mesh: bool = False
    pair: PairStyle | None = None
