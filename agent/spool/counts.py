"""How much of what was measured: results by their kind, and the probes sent in them.

In a page that is mapped into memory a count is int64[PLACES]: probes first, then the results of
every kind at the number that the kind has (`messages.sections.kind`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from messages.sections.kind import MOST_KINDS
from messages.sections.registry import kinds
from messages.sections.windows import WINDOWS

PROBES = "probes"
PLACES = 1 + MOST_KINDS


@dataclass(frozen=True, slots=True)
class Count:
    """Results by the name of their kind, and as PROBES the probes sent in them; none left out."""

    of: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", {name: count for name, count in self.of.items() if count})

    def __bool__(self) -> bool:
        return bool(self.of)

    def __getitem__(self, name: str) -> int:
        return self.of.get(name, 0)

    @property
    def probes(self) -> int:
        """Probes sent."""
        return self[PROBES]

    @property
    def windows(self) -> int:
        """Windows among the results."""
        return self[WINDOWS.name]

    @property
    def results(self) -> int:
        """Results of all kinds."""
        return sum(self.of.values()) - self.probes

    def plus(self, other: Count) -> Count:
        """Return the sum."""
        return Count({name: self[name] + other[name] for name in {**self.of, **other.of}})

    def less(self, other: Count) -> Count:
        """Return the difference."""
        return Count({name: self[name] - other[name] for name in {**self.of, **other.of}})

    def at_least_none(self) -> Count:
        """Return the count with 0 for what is negative."""
        return Count({name: max(count, 0) for name, count in self.of.items()})

    def at_least(self, other: Count) -> Count:
        """Return of everything the greater count."""
        return Count({name: max(self[name], other[name]) for name in {**self.of, **other.of}})

    def placed(self) -> NDArray[np.int64]:
        """Return the count as int64[PLACES]."""
        numbers = np.zeros(PLACES, np.int64)
        for name, place in _places().items():
            numbers[place] = self[name]
        return numbers

    def to_json(self) -> str:
        """Return the count as a text that `from_json` reads."""
        return msgspec.json.encode(self.of).decode()


def count_of(*, probes: int = 0, **results: int) -> Count:
    """Return a count of so many probes, and of results by the name of their kind."""
    return Count({PROBES: probes, **results})


def from_json(text: str) -> Count:
    """Return the count that a text has. ValueError for another text."""
    return Count(msgspec.json.decode(text, type=dict[str, int]))


def counted_at(numbers: NDArray[np.int64]) -> Count:
    """Return the count in int64[PLACES]."""
    values = numbers.tolist()
    return Count({name: values[place] for name, place in _places().items()})


def total(counts: Iterable[Count]) -> Count:
    """Return the sum of many."""
    result = Count()
    for count in counts:
        result = result.plus(count)
    return result


def _places() -> dict[str, int]:
    return {PROBES: 0, **{kind.name: kind.number for kind in kinds()}}
