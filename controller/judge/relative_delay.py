"""Relative one-way delay: what is left of it where no clock may be trusted.

Two free clocks disagree by an offset that nothing over one path can tell, and by a skew that can be
seen: it tilts the whole series. The tilt is the edge of the lower convex hull that spans the mean
time (Zhang, Liu and Xia, INFOCOM 2002; the linear programme of Moon, Skelly and Towsley, INFOCOM
1999, has the same answer). What is above that line is delay above the least of its stretch,
true whatever the clocks are; how long the least itself is stays unknown. Stretches end after an
hour (temperature bends the drift) and where a clock was stepped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LONGEST_S = 3_600.0
LEAST_WINDOWS = 3  # two points always lie on a line and show nothing above it
STEP_NS = 200_000.0  # a smaller jump of the clocks is left to the line
STEP_OVER_NOISE = 5.0


def hull_line(time_s: Floats, least_ns: Floats) -> tuple[float, float]:
    """Return (slope ns/s, value at time 0) of the line under all points that is closest to them.

    time_s ascending, least_ns of the same shape [n], n ≥ 2.
    """
    hull: list[int] = []
    for i in range(len(time_s)):
        while len(hull) > 1 and _is_convex(time_s, least_ns, hull[-2], hull[-1], i) <= 0:
            hull.pop()
        hull.append(i)
    corner = time_s[hull]
    right = int(np.clip(np.searchsorted(corner, time_s.mean()), 1, len(hull) - 1))
    a, b = hull[right - 1], hull[right]
    slope = (least_ns[b] - least_ns[a]) / (time_s[b] - time_s[a])
    return float(slope), float(least_ns[a] - slope * time_s[a])


def _is_convex(x: Floats, y: Floats, a: int, b: int, c: int) -> float:
    """Return > 0 where the way from a over b to c turns upwards, as a lower hull does."""
    return float((x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]))


def stretches(time_s: Floats, forward_ns: Floats, backward_ns: Floats) -> NDArray[np.int64]:
    """Return the number of the stretch that each window belongs to, int64[n], rising.

    A step of a clock shows as equal and opposite jumps of both ways, beside which what the round
    trip changed is small (docs/concepts/measurement.md §4.4).
    """
    if not len(time_s):
        return np.zeros(0, np.int64)
    there, back = np.diff(forward_ns), np.diff(backward_ns)
    jump = (there - back) / 2
    strange = np.abs(jump - np.median(jump)) if len(jump) else jump
    stepped = (strange > STEP_NS) & (strange > STEP_OVER_NOISE * np.abs(there + back))
    number = np.concatenate([np.zeros(1, np.int64), np.cumsum(stepped)])
    began = np.array([time_s[number == one][0] for one in range(int(number[-1]) + 1)])
    hour = ((time_s - began[number]) // LONGEST_S).astype(np.int64)
    _, answer = np.unique(np.stack([number, hour]), axis=1, return_inverse=True)
    return np.asarray(answer, np.int64).reshape(-1)


def least_lines_ns(
    time_s: Floats, forward_ns: Floats, backward_ns: Floats
) -> tuple[Floats, Floats]:
    """Return what is to be taken off forward and backward delays to have them relative, [n] each.

    time_s ascending: the middle of each window; forward_ns, backward_ns: its least delay each way,
    NaN where there is none. NaN where a stretch has fewer than LEAST_WINDOWS windows.
    """
    lines = np.full((2, len(time_s)), np.nan)
    known = np.flatnonzero(np.isfinite(forward_ns) & np.isfinite(backward_ns))
    part = stretches(time_s[known], forward_ns[known], backward_ns[known])
    for number in np.unique(part):
        rows = known[part == number]
        if len(rows) < LEAST_WINDOWS:
            continue
        since = time_s[rows] - time_s[rows[0]]
        for line, least in zip(lines, (forward_ns, backward_ns), strict=True):
            slope, start = hull_line(since, least[rows])
            line[rows] = start + slope * since
    return lines[0], lines[1]
