"""Numbers as documents say them."""

from __future__ import annotations

import numpy as np


def age_ms(then_ns: int | None, now_ns: int) -> int | None:
    """Return how long ago `then_ns` was, None where it never was; a clock behind gives 0."""
    return None if not then_ns else max(0, now_ns - then_ns) // 1_000_000


def finite(value: float) -> float | None:
    """Return a number of an array as the API says it: None for NaN and infinity."""
    number = float(value)
    return number if np.isfinite(number) else None
