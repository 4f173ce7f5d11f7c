"""What can be true of windows: decided here alone, for who sends them and for who reads them.

What holds of a window bounds all that is ever added up of it: no histogram counts more than came
back, nothing is infinite, no time lies beyond int64, and no answer came before its question.
"""

from __future__ import annotations

import numpy as np

from foundation.text import Text
from probes import measures
from probes.window import WindowBatch

_LAST_NS = (1 << 63) - 1
_RANGES = {value.name: (value.low, value.high) for value in measures.VALUES}
_ROUNDING_NS = 1_000.0  # more than adding up and rounding a mean can cost
_NEVER_NEGATIVE = tuple(one.name for one in measures.DISTRIBUTIONS if not one.signed)


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
    return _RANGES[name]


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
    early = ((median < 0) | (median > measures.LONGEST_NS)).any()
    if early or any((batch.distributions[name].bucket < 0).any() for name in _NEVER_NEGATIVE):
        return Text("an answer came before its probe left", "应答早于探测包的发出时间")
    return None
