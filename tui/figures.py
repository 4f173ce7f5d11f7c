"""Numbers as people read them. Absent is an en dash, never 0 and never blank."""

from __future__ import annotations

import datetime as dt
import math

from rich.cells import cell_len, set_cell_size

ABSENT = "–"
NS_PER_S = 1_000_000_000


def is_absent(value: float | None) -> bool:
    """Return whether `value` is None or NaN."""
    return value is None or math.isnan(value)


def delay(value_ns: float | None) -> str:
    """Return a delay with its unit: three significant places, µs below 1 ms, ms above."""
    if value_ns is None or math.isnan(value_ns):
        return ABSENT
    if math.isinf(value_ns):
        return "∞" if value_ns > 0 else "-∞"
    size = abs(value_ns)
    if size < 999.5:
        return f"{value_ns:.0f} ns"
    if size < 999_500:
        return f"{value_ns / 1e3:.{_places(size / 1e3)}f} µs"
    if size < 9_999.5e6:
        return f"{value_ns / 1e6:.{_places(size / 1e6)}f} ms"
    return f"{value_ns / 1e9:.2f} s"


def delay_ms(value_ns: float | None) -> str:
    """Return a delay in bare milliseconds, for columns that line up."""
    if value_ns is None or math.isnan(value_ns):
        return ABSENT
    if math.isinf(value_ns):
        return "∞" if value_ns > 0 else "-∞"
    value_ms = value_ns / 1e6
    return f"{value_ms:.{3 if abs(value_ms) < 9.9995 else 2 if abs(value_ms) < 99.995 else 1}f}"


def ratio(value: float | None, places: int | None = None) -> str:
    """Return a ratio 0–1 as ``90.9%``: joined, so that no line ends between number and sign."""
    if value is None or math.isnan(value):
        return ABSENT
    percent = value * 100
    if places is None:
        places = 0 if percent in (0, 100) else 2 if percent < 10 else 1
    return f"{percent:.{places}f}%"


def measure(value: float | None, unit: str) -> str:
    """Return a measured value in the unit that the API names."""
    return ratio(value) if unit == "ratio" else delay(value)


def interval(low: float | None, high: float | None, unit: str) -> str:
    """Return ``low – high`` with the unit once where both share it."""
    if is_absent(low) and is_absent(high):
        return ABSENT
    left, right = measure(low, unit), measure(high, unit)
    sign = "%" if unit == "ratio" else f" {left.rpartition(' ')[2]}"
    if right.endswith(sign):
        left = left.removesuffix(sign)
    return f"{left} … {right}"


def count(value: int | None) -> str:
    """Return a count with thin groups: 12 345."""
    return ABSENT if value is None else f"{value:,}".replace(",", "\u202f")


def kilometres(value: float | None) -> str:
    """Return a distance."""
    if value is None or math.isnan(value):
        return ABSENT
    return f"{value:.0f} km" if value >= 10 else f"{value:.1f} km"


def size_bytes(value: int | None) -> str:
    """Return a size in decimal units."""
    if value is None:
        return ABSENT
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= scale:
            return f"{value / scale:.1f} {unit}"
    return f"{value} B"


def age(since_ns: int | None, now_ns: int | None) -> str:
    """Return how long ago, in the largest fitting unit."""
    if since_ns is None or now_ns is None:
        return ABSENT
    seconds = (now_ns - since_ns) / NS_PER_S
    if seconds < 0:
        return f"{seconds:.0f} s"
    for unit, scale in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * scale:
            return f"{seconds / scale:.0f} {unit}"
    return f"{seconds:.0f} s"


def clock_time(when_ns: int | None, zone: dt.tzinfo | None, *, with_date: bool = False) -> str:
    """Return the time of day in `zone` (None: the machine's own)."""
    if when_ns is None:
        return ABSENT
    when = dt.datetime.fromtimestamp(when_ns / NS_PER_S, dt.UTC).astimezone(zone)
    return when.strftime("%Y-%m-%d %H:%M:%S" if with_date else "%H:%M:%S")


def fit(text: str, width: int) -> str:
    """Return `text` in exactly `width` terminal cells; a cut is shown by an ellipsis."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(set_cell_size(text, width - 1).rstrip() + "…", width)


def fit_right(text: str, width: int) -> str:
    """Return `text` in exactly `width` cells, at the right edge."""
    length = cell_len(text)
    return " " * (width - length) + text if length <= width else fit(text, width)


def _places(value: float) -> int:
    return 2 if value < 9.995 else 1 if value < 99.95 else 0
