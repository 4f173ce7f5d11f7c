"""What the judge is tried on where two paths or two periods are compared: families, as data."""

from __future__ import annotations

from foundation.text import Text
from lab.trial.family import ROUND_TRIP, Family, PairStyle

PAIRS = (
    Family(
        name="channel_against_ordinary",
        title=Text(
            "a channel beside its ordinary path: mean delay", "专用通道与普通路径对比：平均时延"
        ),
        weight=10,
        pair=PairStyle(
            kind="comparison", limits=(0.78, 1.0), swings=(0.0, 0.6), aside=(0.0, 0.25, 0.5)
        ),
        directions=ROUND_TRIP,
        statistics=("mean",),
        limits_ms=(205.79, 263.62),
        margins=(-0.2, -0.05, -0.01, 0.0, 0.01, 0.05, 0.3),
        noise_share=(0.05, 0.4),
        losses=((0.0077, 0.0, 1.0), (0.02, 0.0, 3.0)),
        clocks=("unsynchronised",),
    ),
    Family(
        name="channel_against_ordinary_loss",
        title=Text("a channel beside its ordinary path: loss", "专用通道与普通路径对比：丢包率"),
        weight=10,
        pair=PairStyle(
            kind="comparison", indicator="loss", limits=(0.2, 0.5, 1.0), aside=(0.0, 0.25)
        ),
        directions=ROUND_TRIP,
        statistics=("mean",),
        limits_ms=(205.79,),
        margins=(-0.8, -0.5, -0.2, 0.0, 0.3, 1.0),
        probes=(600, 3_600, 12_000),
        losses=((0.0376, 0.0, 1.5), (0.01, 0.0, 1.0), (0.0376, 0.0, 4.0)),
        clocks=("unsynchronised",),
    ),
    Family(
        name="ipv6_beside_ipv4",
        title=Text("IPv6 beside IPv4: median and loss", "IPv6 与 IPv4 对比：中位数与丢包率"),
        weight=8,
        pair=PairStyle(
            kind="ipv6_parity", limits=(1.05,), loss_margin=0.01, more_loss=(0.0, 0.5, 2.0, 4.0)
        ),
        directions=ROUND_TRIP,
        statistics=("p50",),
        limits_ms=(1, 5, 20),
        margins=(-0.1, -0.05, -0.02, 0.0, 0.02, 0.1, 0.5),
        probes=(1_800, 3_600, 12_000),
        noise_share=(0.02, 0.3),
        losses=((0.0, 0.0, 1.0), (0.005, 0.0, 1.5)),
        clocks=("unsynchronised",),
    ),
    Family(
        name="improvement",
        title=Text(
            "delay against a sealed week, other hours too", "与封存周对比时延，时段不尽相同"
        ),
        weight=10,
        pair=PairStyle(
            kind="improvement", limits=(0.2, 0.5), swings=(0.0, 0.6), aside=(0.0, 0.25, 0.5)
        ),
        directions=("round_trip", "one_way"),
        statistics=("mean",),
        limits_ms=(5, 20),
        margins=(-0.3, -0.1, -0.03, 0.0, 0.03, 0.1, 0.5),
        probes=(1_440, 3_600),
        windows=(24, 72),
        noise_share=(0.1, 0.5),
        losses=((0.0, 0.0, 1.0), (0.01, 0.0, 2.0)),
        clocks=("tight", "honest"),
    ),
    Family(
        name="improvement_loss",
        title=Text("loss against a sealed week", "与封存周对比丢包率"),
        weight=8,
        pair=PairStyle(kind="improvement", indicator="loss", limits=(0.5,), aside=(0.0, 0.25)),
        directions=("round_trip", "one_way"),
        statistics=("mean",),
        limits_ms=(20,),
        margins=(-0.8, -0.5, -0.2, 0.0, 0.3, 1.0),
        probes=(3_600, 12_000),
        windows=(24, 72),
        losses=((0.02, 0.0, 1.0), (0.0376, 0.0, 3.0)),
        clocks=("tight",),
    ),
)
