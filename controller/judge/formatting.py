"""Delays and ratios written for people: few digits, one unit a range."""

from __future__ import annotations

import math

from foundation.text import Language

_MICROSECOND = {"en": "µs", "zh": "微秒"}
_MILLISECOND = {"en": "ms", "zh": "毫秒"}


def delay(value_ns: float, language: Language = "en") -> str:
    """Return a delay such as ``0.82 ms``, ``14 µs`` or ``205.79 ms`` (``0.82 毫秒``)."""
    return f"{_digits(value_ns, _unit_ns(value_ns))}{_named(value_ns, language)}"


def limit_delay(value_ns: float, language: Language = "en") -> str:
    """Return a limit as people say it: ``1 ms``, ``205.79 ms``, ``150 µs``."""
    return f"{value_ns / _unit_ns(value_ns):.6g}{_named(value_ns, language)}"


def delay_range(low_ns: float, high_ns: float, language: Language = "en") -> str:
    """Return an interval such as ``0.82–0.86 ms``; an unknown end is said, not drawn."""
    known_low = math.isfinite(low_ns) and low_ns > -1e18
    known_high = math.isfinite(high_ns)
    if low_ns == math.inf:
        return "infinite (lost)" if language == "en" else "无穷大（丢失）"
    if not known_low and not known_high:
        return "unknown" if language == "en" else "未知"
    if not known_high:
        figure = delay(low_ns, language)
        return f"at least {figure}" if language == "en" else f"不低于 {figure}"
    if not known_low:
        figure = delay(high_ns, language)
        return f"at most {figure}" if language == "en" else f"不高于 {figure}"
    unit = _unit_ns(max(abs(low_ns), abs(high_ns)))
    low, high = _digits(low_ns, unit), _digits(high_ns, unit)
    figures = low if low == high else f"{low}–{high}"
    return f"{figures}{_named(max(abs(low_ns), abs(high_ns)), language)}"


def ratio(value: float, language: Language = "en") -> str:
    """Return a ratio as a percentage with about three figures: ``0.77 %`` (``0.77%``)."""
    return percent(points(value), language)


def ratio_range(low: float, high: float, language: Language = "en") -> str:
    """Return an interval of ratios such as ``0.61–0.96 %``; without an upper end ``≥ 0.61 %``."""
    if not math.isfinite(high):
        return percent(f"≥ {points(low)}", language)
    first, last = points(low), points(high)
    return percent(first if first == last else f"{first}–{last}", language)


def percent(digits: str, language: Language = "en") -> str:
    """Return digits as a percentage: Chinese puts no space before the sign."""
    return f"{digits}%" if language == "zh" else f"{digits} %"


def points(value: float) -> str:
    """Return a ratio in percentage points with about three figures, such as ``0.77``."""
    hundredths = 100 * value
    if hundredths == 0 or hundredths >= 10:
        return f"{hundredths:.4g}" if hundredths else "0"
    return f"{hundredths:.2f}" if hundredths >= 0.1 else f"{hundredths:.3f}"


def _unit_ns(value_ns: float) -> float:
    return 1e3 if abs(value_ns) < 1e5 else 1e6


def _named(value_ns: float, language: Language) -> str:
    names = _MICROSECOND if _unit_ns(value_ns) == 1e3 else _MILLISECOND
    return f" {names[language]}"


def _digits(value_ns: float, unit_ns: float) -> str:
    value = value_ns / unit_ns
    if value == 0:
        return "0"
    if unit_ns == 1e3:
        return f"{value:.0f}" if abs(value) >= 10 else f"{value:.1f}"
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"
