"""What a kind of result must say of itself to travel in chunks.

A section of a chunk is `kind`, `version`, `count` and a payload that its kind alone understands.
Everything else is the same for all kinds: the spool keeps them, the uplink sends them, both count
them, the controller acknowledges them and stores them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from messages.columns import Budget

MOST_KINDS = 7  # that the counters of an agent have room for
Content = TypeVar("Content")


@dataclass(frozen=True, slots=True)
class Span:
    """When the contents of a chunk were measured: start_ns ≤ t < start_ns + duration_ns, wall."""

    start_ns: int
    duration_ns: int

    @property
    def end_ns(self) -> int:
        """When it was over."""
        return self.start_ns + self.duration_ns


@dataclass(frozen=True, slots=True)
class Payload:
    """A packed section: msgpack, and how much memory a reader will need to unpack it."""

    octets: bytes
    expanded_bytes: int


class SectionKind(ABC, Generic[Content]):
    """One kind of result. `Content` holds the results of one agent over one span, at least one.

    `name` is its word on the wire, `version` that of its payload: a reader of another version
    refuses the chunk for now, and the agent keeps it. `number`, 1 to MOST_KINDS, is its place in
    the counters of agents; one that was given once is never given to another kind.
    """

    name: ClassVar[str]
    number: ClassVar[int]
    version: ClassVar[int]

    @abstractmethod
    def span(self, content: Content) -> Span:
        """Return when it was measured."""

    @abstractmethod
    def count(self, content: Content) -> int:
        """Return how many results it holds: what is counted, acknowledged and dropped."""

    def probes(self, content: Content) -> int:  # noqa: ARG002 -- most kinds have none
        """Return how many of the probes that the agent's engine counts as sent are in it."""
        return 0

    @abstractmethod
    def gather(self, parts: Sequence[Content]) -> Iterator[Content]:
        """Yield the results of `parts`, all of one span, in as few pieces as a chunk can hold."""

    @abstractmethod
    def pack(self, content: Content) -> Payload:
        """Return the results as bytes. LocalProtocolError if they contradict themselves."""

    @abstractmethod
    def unpack(self, octets: bytes, count: int, span: Span, budget: Budget) -> Content:
        """Return `count` results. RemoteProtocolError on anything that is not whole and sane.

        What is allocated is first taken from the budget; OtherVersionError is for what a later
        program may read.
        """
