"""What a codec is: how one protocol writes probes and reads answers, a batch at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.sockets.batch import Received
from probes.sockets.error_queue import IcmpErrors
from probes.stamp.batch import ReflectorFields

ANSWERS = ("none", "reply", "open", "closed")  # what answered: a reply, or a TCP port
ANSWER_REPLY, ANSWER_OPEN, ANSWER_CLOSED = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Outgoing:
    """n probes to write: `session` and `sequence` int64[n], `secret` uint64[n] of each session,
    `wall_ns` now, `error_estimate` of the own clock."""

    session: NDArray[np.int64]
    sequence: NDArray[np.int64]
    secret: NDArray[np.uint64]
    wall_ns: int
    error_estimate: int

    def tokens(self) -> NDArray[np.uint64]:
        """Return what only we can know of each probe: a mix of its session's secret and number."""
        mixed: NDArray[np.uint64] = self.secret + self.sequence.astype(np.uint64) * np.uint64(
            0x9E3779B97F4A7C15
        )
        mixed ^= mixed >> np.uint64(30)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
        return mixed


@dataclass(frozen=True, slots=True)
class ReplyFields:
    """What the payloads of n packets said, before it is known whose they are."""

    valid: NDArray[np.bool_]
    port: NDArray[np.int64]  # of the peer; 0 where the protocol has none
    low_sequence: NDArray[np.int64]
    sequence_bits: int
    check: NDArray[np.uint64]
    answer: NDArray[np.uint8]
    fault: NDArray[np.uint8] | None = None  # why others are not valid (DISCARDED); None: malformed
    reflector: ReflectorFields | None = None
    asks_follow_up: bool = False
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class Quoted:
    """What n ICMP errors quote of packets we sent: `known` bool[n] says whether it is enough to
    tell the session, `numbered` bool[n] whether to tell the probe: a router need quote no more than
    eight octets behind the IP header (RFC 792). `port` of the peer as in `ReplyFields`;
    `low_sequence` has `sequence_bits`."""

    known: NDArray[np.bool_]
    numbered: NDArray[np.bool_]
    port: NDArray[np.int64]
    low_sequence: NDArray[np.int64]
    sequence_bits: int


class Codec(ABC):
    """How one protocol writes probes and reads answers, a batch at a time.

    What a protocol needs beside is told by its attributes, and given before it is first sent:
    `signs` asks for `use_keys`, `sums_addresses` for `use_addresses`. `port_in_packet` tells that
    packets hold the destination port themselves, which a raw socket must not see.
    """

    bytes_a_probe: int
    signs = False
    sums_addresses = False
    port_in_packet = False

    @abstractmethod
    def write(self, packets: NDArray[np.uint8], probes: Outgoing) -> NDArray[np.uint64]:
        """Write probes into the rows of uint8[n, bytes_a_probe]; return their checks."""

    @abstractmethod
    def read(self, received: Received) -> ReplyFields:
        """Read the payloads of received packets."""

    @abstractmethod
    def number_in(self, received: Received) -> tuple[NDArray[np.int64], int]:
        """Return what is left of the numbers in packets that are not valid, -1 where nothing is,
        and how many bits of them."""

    @abstractmethod
    def quoted(self, icmp_errors: IcmpErrors) -> Quoted:
        """Read what ICMP errors quote: it begins as `write` began, and may be cut."""

    def use_keys(
        self,
        session: NDArray[np.int64],
        address: NDArray[np.uint8],
        keys: Sequence[bytes | None],
    ) -> None:
        """Use a key for each session int64[n] towards sockaddr uint8[n, 28]; None: the one it has.

        Asked of codecs that sign alone.
        """
        raise NotImplementedError

    def use_addresses(self, port: NDArray[np.uint16], address_sum: NDArray[np.uint64]) -> None:
        """Use destination ports, and plain word sums of source and destination, both indexed by
        session number. Asked of codecs alone whose packets hold a sum of addresses."""
        raise NotImplementedError


def big_endian(column: NDArray[np.uint8], kind: str) -> NDArray[np.int64]:
    """Read one number from each row, of a numpy kind such as ``>u2``."""
    number: NDArray[np.int64] = column.view(kind)[:, 0].astype(np.int64)
    return number


def eight_bytes(column: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Read eight bytes of each row as one number."""
    number: NDArray[np.uint64] = column.view(">u8")[:, 0].astype(np.uint64)
    return number
