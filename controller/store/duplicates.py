"""Lives of agents that had another of the same name beside them, as they are kept.

Whose windows are of a time in which another measured for the same name is known long after both
have ended: what a refused agent measured may be delivered days later, to another life of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

MOST_KEPT = 1_000  # of one agent; a copy that is started again and again has a new boot each time


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateRecord:
    """A boot of an agent that lived while another one of its name did; seen last at `seen_ns`.

    `refused`: whether it was the other that was heard.
    """

    agent: str
    boot: str
    refused: bool
    seen_ns: int


class DuplicateStore(Protocol):
    """The part of a store that keeps duplicates. Writes are answered after the commit."""

    def put(self, records: Sequence[DuplicateRecord]) -> Future[None]:
        """Keep records, in the place of those of the same agent and boot."""

    def records(self) -> list[DuplicateRecord]:
        """Return all that are kept, by when they were seen."""
