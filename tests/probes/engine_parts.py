"""The parts of an engine on a clock set by hand, with channels that a test speaks through."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from hand_clock import HandClock
from numpy.typing import NDArray

from probes.addresses import ADDRESS_BYTES
from probes.channels.channel import Channel, FlowMark, ProbeIcmpErrors, Replies
from probes.channels.codec import Outgoing
from probes.channels.discarded import Discarded
from probes.clocks.timescale import TimeScale
from probes.engine.account import Account
from probes.engine.ledger import Ledger
from probes.engine.report import SampleBatch, Tally
from probes.engine.sender import Sender
from probes.engine.windows import OpenWindows
from probes.sockets.batch import SendResult
from probes.sockets.error_queue import KERNEL_TIMESTAMP, TxTimestamps
from probes.window import WindowBatch

MS, SECOND = 1_000_000, 1_000_000_000
LINGER_NS = SECOND
NOTHING = np.zeros(0, np.int64)


class FakeChannel(Channel):
    """Keeps what is sent through it, and hands over what a test lays into it.

    A probe's check is its session and number; `refuse` is the errno of what cannot be sent.
    """

    flow_mark = FlowMark(4711)
    timestamps_when_read = False

    def __init__(self, number: int, capacity: int = 64) -> None:
        self.number, self.capacity = number, capacity
        self.batches: list[Outgoing] = []
        self.refuse = 0
        self.replies: list[Replies] = []
        self.errors: list[ProbeIcmpErrors] = []
        self.discarded: list[Discarded] = []
        self.tx_told: list[tuple[NDArray[np.int64], TxTimestamps]] = []
        self.unread = self.damaged = 0  # of the answers that the socket had no room for, or threw
        self._row_of: dict[int, int] = {}
        self._keys = itertools.count(1)

    def close(self) -> None: ...

    def set_peers(self, session: NDArray[np.int64], address: NDArray[np.uint8]) -> None: ...

    def use_keys(
        self,
        session: NDArray[np.int64],
        address: NDArray[np.uint8],
        keys: Sequence[bytes | None],
    ) -> None: ...

    def use_addresses(self, port: NDArray[np.uint16], address_sum: NDArray[np.uint64]) -> None: ...

    def send(
        self, probes: Outgoing, addresses: NDArray[np.uint8], row: NDArray[np.int64]
    ) -> tuple[SendResult, NDArray[np.uint64]]:
        self.batches.append(probes)
        key = np.array([next(self._keys) for _ in row], np.uint32)
        self._row_of |= dict(zip(key.tolist(), row.tolist(), strict=True))
        error = np.full(len(row), self.refuse, np.int32)
        return SendResult(error, key, probes.wall_ns), check_of(probes.session, probes.sequence)

    def receive(self) -> Replies | None:
        return self.replies.pop(0) if self.replies else None

    def take_discarded(self) -> list[Discarded]:
        taken, self.discarded = self.discarded, []
        return taken

    def sessions(self) -> NDArray[np.int64]:
        return np.unique(np.concatenate([NOTHING, *(batch.session for batch in self.batches)]))

    def tx_timestamps(self) -> tuple[NDArray[np.int64], TxTimestamps]:
        if self.tx_told:
            return self.tx_told.pop(0)
        return NOTHING, TxTimestamps(np.zeros(0, np.uint32), NOTHING)

    def more_timestamps(self, just_read: int) -> bool:
        return bool(self.tx_told)

    def tell_tx_timestamps(self, wall_ns: Sequence[int]) -> None:
        """Let the kernel have timestamped the first of all packets at these wall times."""
        key = np.array(list(self._row_of)[: len(wall_ns)], np.uint32)
        row = np.array([self._row_of[one] for one in key.tolist()])
        self.tx_told.append((row, TxTimestamps(key, np.array(wall_ns, np.int64))))

    def icmp_errors(self) -> Iterator[ProbeIcmpErrors]:
        while self.errors:
            yield self.errors.pop(0)

    def claim_dropped(
        self, sent_ns: NDArray[np.int64], now_ns: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        place = np.arange(len(sent_ns))
        return place[: self.unread], place[self.unread : self.unread + self.damaged]


def check_of(session: NDArray[np.int64], sequence: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return what a true answer to each probe repeats."""
    return (session << 32 | sequence).astype(np.uint64)


def replies(
    session: Sequence[int],
    sequence: Sequence[int],
    wall_ns: int,
    *,
    check: NDArray[np.uint64] | None = None,
) -> Replies:
    """Return plain answers, as of ICMP echo, that all arrived at one wall time."""
    count = len(session)
    of, number = np.array(session, np.int64), np.array(sequence, np.int64)
    return Replies(
        session=of,
        low_sequence=number,
        sequence_bits=32,
        check=check_of(of, number) if check is None else check,
        timestamp_ns=np.full(count, wall_ns, np.int64),
        timestamp_kind=np.full(count, KERNEL_TIMESTAMP, np.uint8),
        ttl=np.full(count, 61, np.uint8),
        tos=np.zeros(count, np.int16),
        answer=np.ones(count, np.uint8),
        reflector=None,
        ring_was_full=False,
        asks_follow_up=False,
    )


@dataclass
class FakeRoster:
    """The columns of streams and sessions that sender and account look at; see `Roster`."""

    stream_ids: NDArray[np.uint64]
    first_session: NDArray[np.int64]
    flows: NDArray[np.int64]
    sent: NDArray[np.int64]
    channel_of: NDArray[np.int64]
    address: NDArray[np.uint8]
    secret: NDArray[np.uint64]
    channels: dict[int, FakeChannel] = field(default_factory=dict)


class Parts:
    """Streams 100, 101, … of so many `flows` each, the flow n of each through channel n."""

    def __init__(self, *flows: int, capacity: int = 64, gap_ns: float = 0.1 * SECOND) -> None:
        self.clock = HandClock()
        sessions, streams = sum(flows), len(flows)
        flow = np.concatenate([np.arange(count) for count in flows])
        self.roster = FakeRoster(
            stream_ids=np.arange(100, 100 + streams, dtype=np.uint64),
            first_session=np.cumsum((0, *flows))[:-1],
            flows=np.array(flows),
            sent=np.zeros(streams, np.int64),
            channel_of=flow,
            address=np.zeros((sessions, ADDRESS_BYTES), np.uint8),
            secret=np.arange(sessions, dtype=np.uint64),
            channels={number: FakeChannel(number, capacity) for number in range(max(flows))},
        )
        self.ledger = Ledger(LINGER_NS)
        self.ledger.add_sessions(
            np.repeat(np.arange(streams), flows),
            flow,
            np.full(sessions, SECOND),
            np.full(sessions, gap_ns),
        )
        self.scale = TimeScale(self.clock)
        self.tally = Tally()
        self.windows: list[WindowBatch] = []
        self.samples: list[SampleBatch] = []
        self.open = OpenWindows(10 * SECOND, self.scale.offset_ns, self.windows.append)
        parts = (self.ledger, self.roster, self.open, self.scale, self.tally)
        self.account = Account(*parts, self.samples.append)  # type: ignore[arg-type]  # its columns
        self.sender = Sender(*parts, self.account)  # type: ignore[arg-type]  # its columns

    @property
    def channel(self) -> FakeChannel:
        """The channel of all first flows."""
        return self.roster.channels[0]

    def column(self, name: str) -> list[float]:
        """Return one column of all probes that have been shown, in order."""
        return [value for batch in self.samples for value in getattr(batch, name).tolist()]

    def total(self, name: str) -> int:
        """Close all windows and return one counter of them."""
        self.open.close_all(self.roster.stream_ids)
        return sum(int(batch.counters[name].sum()) for batch in self.windows)


def ledger_with(sequences: int) -> tuple[Ledger, np.ndarray]:
    """A ledger with one session that has sent `sequences` probes; returns their rows."""
    ledger = Ledger(SECOND)
    session = ledger.add_sessions([0], [0], np.array([SECOND]), np.array([SECOND / sequences]))
    rows = []
    for _ in range(sequences):
        row, number = ledger.claim(session)
        ledger.enter(row, number, session, sent_ns=0, check=number.astype(np.uint64))
        rows.append(row[0])
    return ledger, np.array(rows)
