"""A live plot over time, on textual-plot: curves broken at gaps, limits as lines across."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

from textual_plot import HiResMode, PlotWidget
from textual_plot.axis_formatter import AxisFormatter, NumericAxisFormatter

from tui.look import Look
from tui.pages.path.windows import Line

PEAK_SHARE, PEAK_RATIO = 0.03, 4.0


class ClockFormatter(AxisFormatter):
    """Times of day at round distances along the x axis."""

    STEPS_S = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)

    def __init__(self, zone: dt.tzinfo | None) -> None:
        self._zone = zone

    def get_ticks(self, min_: float, max_: float, max_ticks: int = 6) -> list[float]:
        """Return at most `max_ticks` round times."""
        span = max_ - min_
        step = next((s for s in self.STEPS_S if span / s <= max_ticks), self.STEPS_S[-1])
        first = math.ceil(min_ / step) * step
        return [float(first + i * step) for i in range(int((max_ - first) // step) + 1)]

    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        """Return HH:MM, with seconds where steps are below a minute."""
        close = len(ticks) > 1 and ticks[1] - ticks[0] < 60
        form = "%H:%M:%S" if close else "%H:%M"
        return [
            dt.datetime.fromtimestamp(tick, dt.UTC).astimezone(self._zone).strftime(form)
            for tick in ticks
        ]


class TimePlot(PlotWidget, can_focus=False):
    """Curves over time. Its keys are the page's, so it takes no focus."""

    def draw(
        self,
        curves: Sequence[tuple[Line, str]],
        limits: Sequence[float],
        look: Look,
        *,
        from_s: float,
        to_s: float,
    ) -> float | None:
        """Draw `curves` as (line, colour) over [from_s, to_s], with `limits` across.

        Return the largest value where peaks are cut off at the upper edge, else None.
        """
        self.margin_top, self.margin_bottom, self.margin_left = 0, 1, 9
        self.clear()
        self.set_x_formatter(ClockFormatter(look.zone))
        self.set_y_formatter(NumericAxisFormatter())
        self.set_xlimits(from_s, to_s)
        values = [y for line, _ in curves for _, ys in line.segments for y in ys]
        peak = max(values, default=0.0)
        values = without_peaks(values, limits)
        low, high = vertical_range(values, limits)
        is_cut = peak > max(values, default=0.0)
        self.set_ylimits(low, high)
        for limit in limits:
            if low <= limit <= high:
                colour = look.palette.style("bad").removeprefix("bold ")
                self.plot(
                    [from_s, to_s],
                    [limit, limit],
                    line_style=colour,
                    hires_mode=HiResMode.BRAILLE,
                )
        for line, colour in curves:
            for xs, full_ys in line.segments:
                ys = [min(y, high) for y in full_ys] if is_cut else full_ys
                if len(xs) == 1:
                    self.scatter(xs, ys, marker_style=colour, hires_mode=HiResMode.BRAILLE)
                else:
                    self.plot(xs, ys, line_style=colour, hires_mode=HiResMode.BRAILLE)
        return peak if is_cut else None


def without_peaks(values: Sequence[float], limits: Sequence[float]) -> list[float]:
    """Return the values without a few peaks that would squeeze all others, and the limits, flat.

    Peaks are the largest 3 % where they exceed four times what else there is to see.
    """
    ordered = sorted(values)
    usual = ordered[: len(ordered) - int(PEAK_SHARE * len(ordered))]
    if not usual or usual[-1] <= 0.0:
        return ordered
    seen = max([usual[-1], *(limit for limit in limits if limit <= PEAK_RATIO * usual[-1])])
    return ordered if ordered[-1] <= PEAK_RATIO * seen else usual


def vertical_range(values: Sequence[float], limits: Sequence[float]) -> tuple[float, float]:
    """Return the y range: all values, and those limits that do not squeeze them flat.

    A limit beyond four times the largest value is left out (the page names it in words).
    """
    top = max(values, default=0.0)
    near = [limit for limit in limits if not values or limit <= 4 * top]
    low = min([*values, *near], default=0.0)
    high = max([*values, *near], default=1.0)
    if low < 0 or (values and low > 0.6 * high):
        margin = (high - low or abs(high) or 1.0) * 0.15
        return low - margin, high + margin
    return 0.0, high * 1.12 or 1.0
