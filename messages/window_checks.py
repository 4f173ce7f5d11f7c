"""What can be true of windows: decided here alone, for who sends them and for who reads them.

What holds of a window bounds all that is ever added up of it: no histogram counts more than came
back, nothing is infinite, no time lies beyond int64, and no answer came before its question.
"""

from __future__ import annotations

import numpy as np

from foundation.numbers import LONGEST_TIMEOUT_MS
from foundation.text import Text
from probes.window import WindowBatch

# No timestamp or error estimate of STAMP spans as much (RFC 8762 §4.2.1: at most 255 · 2^31 s).
_GREATEST = float(np.nextafter(float(1 << 70), 0))
_LAST_NS = (1 << 63) - 1
_ROUND_TRIP = (0.0, LONGEST_TIMEOUT_MS * 1e6)  # a later answer has no round trip
_RANGES = {
    "rtt_min_ns": _ROUND_TRIP,
    "rtt_mean_ns": _ROUND_TRIP,
    "rtt_max_ns": _ROUND_TRIP,
    "clock_bound_ns": (0.0, _GREATEST),
    "hops_forward": (0.0, 255.0),
    "hops_backward": (0.0, 255.0),
    "dscp_forward": (0.0, 63.0),
    "dscp_backward": (0.0, 63.0),
    "ecn_forward": (0.0, 3.0),
    "ecn_backward": (0.0, 3.0),
}
_ROUNDING_NS = 1_000.0  # more than adding up and rounding a mean can cost
_NEVER_NEGATIVE = ("rtt", "variation")


def contradiction_in(batch: WindowBatch) -> Text | None:
    """Return what cannot be true of a batch, None of a sane one."""
    received = batch.counters["received"].astype(np.int64)
    if (batch.lost() + received != batch.known()).any():
        return Text(
            "sent is not received + late + lost + unread",
            "发送数不等于收到、超时到达、丢失与未能读取之和",
        )
    if any((each.totals() > received).any() for each in batch.distributions.values()):
        return Text("a histogram counts more than came back", "直方图的计数大于收到数")
    if batch.start_ns + batch.duration_ns > _LAST_NS:
        return Text("it ends beyond all times", "结束时间超出可表示的范围")
    return _wrong_measure(batch)


def range_of(name: str) -> tuple[float, float]:
    """Return the least and the greatest that a measure may be."""
    return _RANGES.get(name, (-_GREATEST, _GREATEST))


def _wrong_measure(batch: WindowBatch) -> Text | None:
    for name, column in batch.measures.items():
        low, high = range_of(name)
        if ((column < low) | (column > high)).any():  # False for NaN
            return Text(f"{name} is out of range", f"{name} 超出范围")
    for name in ("rtt", "forward", "backward"):
        least, mean, most = (batch.measures[f"{name}_{end}_ns"] for end in ("min", "mean", "max"))
        slack = _ROUNDING_NS + 1e-9 * np.abs(mean)
        if ((least > mean + slack) | (mean > most + slack)).any():
            return Text(
                f"{name}: the mean is not between the least and the greatest",
                f"{name}：平均值不在最小值与最大值之间",
            )
    median = batch.flows.rtt_p50_ns
    early = ((median < _ROUND_TRIP[0]) | (median > _ROUND_TRIP[1])).any()
    if early or any((batch.distributions[name].bucket < 0).any() for name in _NEVER_NEGATIVE):
        return Text("an answer came before its probe left", "应答早于探测包的发出时间")
    return None
