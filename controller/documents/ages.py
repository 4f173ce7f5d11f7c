"""How old something is, as the API says it."""

from __future__ import annotations


def age_ms(then_ns: int | None, now_ns: int) -> int | None:
    """Return how long ago `then_ns` was, None where it never was; a clock behind gives 0."""
    return None if not then_ns else max(0, now_ns - then_ns) // 1_000_000
