"""How much of what was measured: windows, and the probes sent in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Count(NamedTuple):
    """Windows, and the probes sent in them."""

    windows: int = 0
    probes: int = 0

    def plus(self, other: Count) -> Count:
        """Return the sum."""
        return Count(self.windows + other.windows, self.probes + other.probes)

    def less(self, other: Count) -> Count:
        """Return the difference."""
        return Count(self.windows - other.windows, self.probes - other.probes)

    def at_least_none(self) -> Count:
        """Return the count with 0 for what is negative."""
        return Count(max(self.windows, 0), max(self.probes, 0))


def total(counts: Iterable[Count]) -> Count:
    """Return the sum of many."""
    result = Count()
    for count in counts:
        result = result.plus(count)
    return result
