"""What the judge is tried on: families of cases, as data. How a case is drawn is in `draw`.

A promised family is one in which the product vows that no more than 5 % of the verdicts are wrong.
What it cannot vow is on trial as well, and counted apart: docs/concepts/truth.md says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab.trial.case import Direction, Kind, Statistic
from probes.text import Text

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
    "quiet", "exponential", "exponential_both", "gamma_both", "normal_both", "lognormal", "lomax"
]
ROUND_TRIP: tuple[Direction, ...] = ("round_trip",)
QUANTILES: tuple[Statistic, ...] = ("p50", "p90", "p95", "p99")


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


FAMILIES = (
    Family(
        name="tight_clocks",
        title=Text("clocks bounded to a microsecond or two (PTP)", "时钟误差界一两微秒（PTP）"),
        weight=10,
        statistics=(*QUANTILES, "mean"),
    ),
    Family(
        name="honest_clocks",
        title=Text(
            "offsets 0, 0.3, 2, 50 ms, bounds honest", "时钟偏差0、0.3、2、50毫秒，误差界属实"
        ),
        weight=16,
        statistics=("p50", "p95", "mean"),
        clocks=("honest",),
    ),
    Family(
        name="unsynchronised",
        title=Text("offsets 0, 0.3, 2, 50 ms, no bound", "时钟偏差0、0.3、2、50毫秒，无误差界"),
        weight=16,
        statistics=("p50", "p95", "p99", "mean"),
        margins=(-0.8, -0.6, -0.3, -0.1, 0.1, 0.5, 1.5),
        clocks=("unsynchronised",),
    ),
    Family(
        name="skew",
        title=Text("clocks ±20 ppm apart", "时钟频差±20 ppm"),
        weight=10,
        clocks=("drifting", "drifting_unsynchronised"),
    ),
    Family(
        name="clock_steps",
        title=Text("a clock is stepped half-way", "时钟中途跳变"),
        weight=10,
        clocks=("stepped", "stepped_into_trust"),
    ),
    Family(
        name="lying_beyond_physics",
        title=Text("a bound that light itself refutes", "误差界不实，与光速矛盾"),
        weight=10,
        limits_ms=(1, 3, 5),
        margins=(-0.6, -0.3, -0.1, 0.1, 0.5, 1.5),
        noise_share=(0.03, 0.2),
        floor_share=(0.85, 0.98),
        asymmetry=(0.95, 1.05),
        clocks=("lying_plainly",),
    ),
    Family(
        name="asymmetric",
        title=Text("ways there and back differ up to fourfold", "往返时延相差至四倍"),
        weight=10,
        asymmetry=(0.25, 4.0),
        floor_share=(0.5, 1.0),
        clocks=("tight", "honest", "unsynchronised"),
    ),
    Family(
        name="at_the_limit",
        title=Text("truth exactly at the limit", "真值恰为限值"),
        weight=10,
        directions=("one_way", "round_trip"),
        statistics=("p50", "p95", "mean"),
        margins=(0.0,),
    ),
    Family(
        name="round_trip",
        title=Text("limits on the round trip", "往返限值"),
        weight=10,
        directions=ROUND_TRIP,
        statistics=(*QUANTILES, "mean"),
        margins=(-0.3, -0.1, -0.02, 0.02, 0.1, 0.5),
        clocks=("unsynchronised",),
    ),
    Family(
        name="few_samples",
        title=Text("5 to 80 probes", "仅5至80个探测包"),
        weight=10,
        directions=("one_way", "round_trip"),
        statistics=("p50", "p95", "mean"),
        probes=(5, 10, 20, 40, 80),
        windows=(1, 2, 4),
        losses=((0.0, 0.0, 1.0), (0.05, 0.0, 1.0)),
    ),
    Family(
        name="heavy_tails",
        title=Text("lognormal and Pareto delays", "对数正态与帕累托时延"),
        weight=10,
        directions=("one_way", "round_trip"),
        statistics=QUANTILES,
        noises=("lognormal", "lomax"),
        noise_share=(0.2, 0.7),
    ),
    Family(
        name="slow_queues",
        title=Text("delays that resemble their neighbours", "前后相关的时延"),
        weight=8,
        directions=("one_way", "round_trip"),
        statistics=("p50", "p95", "mean"),
        noises=("exponential",),
        noise_share=(0.1, 0.5),
        memory=(0.5, 0.8, 0.9),
    ),
    Family(
        name="means",
        title=Text("international channels: mean 205.79 ms", "国际专用通道：平均205.79毫秒"),
        weight=8,
        directions=ROUND_TRIP,
        statistics=("mean",),
        limits_ms=(205.79, 263.62),
        margins=(-0.2, -0.01, -0.002, 0.0, 0.002, 0.01, 0.28),
        noise_share=(0.01, 0.1),
        losses=((0.0077, 0.0, 1.5), (0.02, 0.0176, 3.0)),
        clocks=("unsynchronised",),
    ),
    Family(
        name="ratio",
        title=Text("1.5 × theoretical, distance uncertain", "理论时延1.5倍，里程有误差"),
        weight=10,
        kind="delay_ratio",
        directions=("one_way", "round_trip"),
        statistics=("p50", "p95"),
        limits_ms=(3, 7.5, 15, 30),
        margins=(-0.3, -0.1, -0.03, 0.0, 0.03, 0.1, 0.3),
        distance_uncertainty=(0.02, 0.1),
        clocks=("tight", "honest"),
    ),
    Family(
        name="loss",
        title=Text("loss against 0.77, 1 and 3.76 %", "丢包率限值0.77%、1%、3.76%"),
        weight=10,
        kind="loss",
        directions=("round_trip", "one_way"),
        limit_ratios=(0.0077, 0.01, 0.0376),
        margins=(-1.0, -0.8, -0.5, -0.23, 0.0, 0.3, 1.0, 3.0),
        probes=(600, 3_600, 12_000),
        losses=((0.5, 0.5, 1.0), (1.0, 0.0, 1.0)),
        clocks=("unsynchronised",),
    ),
    Family(
        name="loss_bursts",
        title=Text(
            "bursts of loss (Gilbert), mean 2 to 10 probes", "突发丢包（Gilbert），平均2至10个"
        ),
        weight=14,
        kind="loss",
        directions=("round_trip", "one_way"),
        limit_ratios=(0.0077, 0.01, 0.0376),
        margins=(-0.8, -0.5, -0.23, 0.0, 0.3, 1.0, 3.0),
        probes=(3_600, 12_000, 30_000),
        losses=((0.5, 0.5, 2.0), (1.0, 0.0, 5.0), (1.0, 0.0, 10.0)),
        clocks=("unsynchronised",),
    ),
    Family(
        name="delay_under_loss",
        title=Text("quantiles while bursts are lost", "突发丢包下的时延分位数"),
        weight=10,
        directions=("one_way", "round_trip"),
        statistics=("p95", "p99"),
        losses=((0.005, 0.005, 3.0), (0.0077, 0.0, 5.0), (0.02, 0.0176, 2.0), (0.1, 0.0, 3.0)),
        margins=(-0.5, -0.2, -0.1, 0.1, 0.2, 0.5),
    ),
    Family(
        name="no_direction",
        title=Text("reflectors that tell no direction of loss", "反射端不提供丢包方向"),
        weight=8,
        statistics=("p50", "p95"),
        losses=((0.01, 0.0, 1.0), (0.0, 0.03, 2.0), (0.03, 0.03, 1.0)),
        directed=False,
    ),
    Family(
        name="no_direction_loss",
        title=Text("one-way loss without a direction", "无方向信息的单向丢包"),
        weight=6,
        kind="loss",
        limit_ratios=(0.01,),
        margins=(-1.0, -0.5, 0.0, 1.0, 3.0),
        probes=(3_600, 12_000),
        losses=((1.0, 0.0, 1.0), (1.0, 1.0, 1.0)),
        directed=False,
        clocks=("unsynchronised",),
    ),
    Family(
        name="total_loss",
        title=Text("nothing ever comes back", "没有任何应答"),
        weight=4,
        directions=("one_way", "round_trip"),
        statistics=("p50", "p95", "mean"),
        probes=(10, 60, 600),
        windows=(2, 10),
        losses=((1.0, 0.0, 1.0),),
        clocks=("tight", "unsynchronised"),
    ),
    Family(
        name="variation",
        title=Text("delay variation", "时延变化"),
        weight=8,
        kind="variation",
        directions=ROUND_TRIP,
        statistics=("p50", "p95", "p99"),
        limits_ms=(0.05, 0.2, 1),
        margins=(-0.5, -0.2, -0.05, 0.0, 0.05, 0.2, 1.0),
        noises=("exponential", "normal_both"),
        clocks=("unsynchronised",),
    ),
    Family(
        name="looked_at_often",
        title=Text("loss, looked at 20 times while data come in", "丢包率，采集期间查看20次"),
        weight=8,
        kind="loss",
        directions=ROUND_TRIP,
        limit_ratios=(0.01, 0.0376),
        margins=(-0.8, 0.0, 0.0, 0.0, 2.76),
        probes=(6_000, 12_000),
        windows=(60,),
        losses=((1.0, 0.0, 1.0), (1.0, 0.0, 2.0)),
        clocks=("unsynchronised",),
        looks=20,
    ),
    Family(
        name="mesh_with_a_liar",
        title=Text("a liar found out by its mesh", "由网状测量识破的失实时钟"),
        weight=14,
        statistics=("p50", "p95"),
        limits_ms=(5, 6),
        margins=(-0.3, -0.1, -0.03, 0.03, 0.1, 0.3),
        probes=(600,),
        windows=(20,),
        noise_share=(0.01, 0.05),
        noises=("exponential",),
        floor_share=(0.4, 0.8),
        mesh=True,
    ),
    Family(
        name="lying_within_physics",
        title=Text(
            "a false bound that nothing on the path refutes", "误差界不实，单条路径无法识破"
        ),
        weight=10,
        promised=False,
        limits_ms=(3, 5, 10),
        floor_share=(0.2, 0.5),
        clocks=("lying_subtly",),
    ),
)
