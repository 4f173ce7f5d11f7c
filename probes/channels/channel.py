"""A channel: what probes of one protocol leave and are answered through, shared by many streams.

All streams of one protocol, source, flow, DSCP and payload size share a channel and differ by
destination. As a rule it is a batch socket (`probes.channels.batch_channel`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from probes.channels.codec import Outgoing
from probes.channels.discarded import Discarded
from probes.sockets.batch import SendResult
from probes.sockets.error_queue import TxTimestamps
from probes.stamp.batch import ReflectorFields


@dataclass(frozen=True, slots=True)
class FlowMark:
    """What tells one flow from the others of its stream, so that routers may take it another way.

    `mark` is its source port, or the ICMP identifier; None where each probe has its own. `label` is
    its IPv6 flow label; None where it has none.
    """

    mark: int | None = None
    label: int | None = None


@dataclass(frozen=True, slots=True)
class Replies:
    """n answers in order of arrival. `timestamp_ns` int64[n] true wall time, `check` uint64[n] to
    be compared with the probe's, `answer` uint8[n] indexes ANSWERS; `reflector` holds STAMP's
    fields.
    """

    session: NDArray[np.int64]
    low_sequence: NDArray[np.int64]
    sequence_bits: int
    check: NDArray[np.uint64]
    timestamp_ns: NDArray[np.int64]
    timestamp_kind: NDArray[np.uint8]
    ttl: NDArray[np.uint8]
    tos: NDArray[np.int16]
    answer: NDArray[np.uint8]
    reflector: ReflectorFields | None
    ring_was_full: bool  # more may be waiting
    asks_follow_up: bool  # the probes asked for Follow-Up Telemetry
    lenient: bool = False  # one of number and check may do

    def __len__(self) -> int:
        return len(self.session)


@dataclass(frozen=True, slots=True)
class ProbeIcmpErrors:
    """n ICMP errors about probes of known sessions; `numbered` bool[n] says of which the probe is
    known too. `error`, `word` and `offender` as in error_queue.IcmpErrors."""

    session: NDArray[np.int64]
    low_sequence: NDArray[np.int64]
    sequence_bits: int
    numbered: NDArray[np.bool_]
    error: NDArray[np.int32]
    word: NDArray[np.uint32]
    offender: NDArray[np.uint8]


class ChannelSocket(Protocol):
    """What an engine asks of the socket behind a channel."""

    overflowed: int  # answers that it had no room for

    def room(self) -> int:
        """Return how many answers it has room for."""

    def fileno(self) -> int:
        """Return a descriptor that is readable while there is something to take."""


class Channel(ABC):
    """What the engine sends probes of one kind through, and takes all that comes of them from.

    `capacity`: how many may be sent at once. `timestamps_when_read` tells that arrivals are not
    timestamped by the kernel, so that answers must be read at once. `signs` and `sums_addresses` as
    of `Codec`. `source_is_gone` is set while this machine does not have the source address.
    """

    number: int
    capacity: int
    socket: ChannelSocket
    flow_mark: FlowMark
    timestamps_when_read: bool
    signs = False
    sums_addresses = False
    source_is_gone = False

    @abstractmethod
    def close(self) -> None:
        """Close the socket."""

    @abstractmethod
    def set_peers(self, session: NDArray[np.int64], address: NDArray[np.uint8]) -> None:
        """Tell which sessions use this channel, and the sockaddr of each (uint8[n, 28])."""

    @abstractmethod
    def use_keys(
        self,
        session: NDArray[np.int64],
        address: NDArray[np.uint8],
        keys: Sequence[bytes | None],
    ) -> None:
        """Use a key for each session, as `Codec.use_keys`."""

    @abstractmethod
    def use_addresses(self, port: NDArray[np.uint16], address_sum: NDArray[np.uint64]) -> None:
        """Use ports and sums of addresses, as `Codec.use_addresses`."""

    @abstractmethod
    def send(
        self, probes: Outgoing, addresses: NDArray[np.uint8], row: NDArray[np.int64]
    ) -> tuple[SendResult, NDArray[np.uint64]]:
        """Send at most `capacity` probes; return (result, checks).

        `addresses` uint8[sessions, 28] has the sockaddr of every session.
        """

    @abstractmethod
    def receive(self) -> Replies | None:
        """Return answers that have arrived; None if nothing has."""

    @abstractmethod
    def take_discarded(self) -> list[Discarded]:
        """Return the answers of no use that came with those received so far."""

    @abstractmethod
    def sessions(self) -> NDArray[np.int64]:
        """Return the sessions that answers may be looked for in."""

    @abstractmethod
    def tx_timestamps(self) -> tuple[NDArray[np.int64], TxTimestamps]:
        """Return timestamps that came back and the rows they were sent for (-1 where unknown)."""

    @abstractmethod
    def more_timestamps(self, just_read: int) -> bool:
        """Tell whether more TX timestamps may be waiting after that many were read at once."""

    @abstractmethod
    def icmp_errors(self) -> Iterator[ProbeIcmpErrors]:
        """Yield what ICMP errors said of our probes."""

    @abstractmethod
    def claim_dropped(
        self, sent_ns: NDArray[np.int64], now_ns: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return which of n unanswered probes this socket may have dropped the answers of:
        (there was no room for them, their checksums were wrong)."""
