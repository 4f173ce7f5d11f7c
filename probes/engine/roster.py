"""Which streams run, over which flows, through which channels.

Streams, sessions and channels keep their numbers while they are used. A stream that is taken off
the plan stops sending, so that its probes in flight find their end; when its last window has been
handed out it is released, and its numbers and rows go to the next stream with as many of both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foundation.errors import ConfigError, IsochroneError
from foundation.ragged import indptr_of, place_in_row, row_of_entry, spans
from foundation.text import Text
from probes.addresses import ADDRESS_BYTES, zone_of
from probes.channels.channel import Channel, FlowMark
from probes.engine.channel_pool import Allotment, ChannelPool
from probes.engine.destinations import (
    closest_gap_ns,
    resolved,
    socket_family,
    waiting_time_ns,
)
from probes.engine.ledger import Ledger
from probes.engine.pseudo_sums import pseudo_sums
from probes.sockets.obstacles import explaining_obstacles, is_shortage
from probes.stream import StreamSpec

_RESOLVED = 512  # streams whose source address is requested at once: 4 ms


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A stream that can run: its destination and what it was allotted."""

    spec: StreamSpec
    address: NDArray[np.uint8]
    allotment: Allotment


class Roster:
    """Streams (`stream_ids` uint64[n], `specs`), their sessions and their channels.

    Session arrays: `channel_of` int64[m], `address` uint8[m, 28], `secret` uint64[m].
    """

    def __init__(self, ledger: Ledger, generator: np.random.Generator) -> None:
        self.ledger = ledger
        self._stamp_keys: Mapping[str, bytes] = {}
        self.specs: list[StreamSpec] = []
        self.stream_ids = np.zeros(0, np.uint64)
        self.first_session = np.zeros(0, np.int64)
        self.flows = np.zeros(0, np.int64)
        self.sent = np.zeros(0, np.int64)  # probes so far: tells whose turn it is among the flows
        self.channel_of = np.zeros(0, np.int64)
        self.address = np.zeros((0, ADDRESS_BYTES), np.uint8)
        self.secret = np.zeros(0, np.uint64)
        self.pool = ChannelPool(generator)
        self.channels = self.pool.channels
        self._port = np.zeros(0, np.uint16)
        self._address_sum = np.zeros(0, np.uint64)
        self._allotted: dict[int, Allotment] = {}  # by stream number
        self._zoned: dict[int, tuple[bytes, int]] = {}  # address and zone of source, as resolved
        self._free: dict[tuple[int, int], list[int]] = {}  # released streams by flows and ring
        self._generator = generator
        self._to_resolve: list[int] = []

    def add(self, specs: Sequence[StreamSpec]) -> tuple[list[int], NDArray[np.int64], list[Text]]:
        """Add streams; return the indices in `specs` of those that run, their numbers, and why
        others do not run."""
        accepted: list[int] = []
        why: list[Text] = []
        numbers: list[int] = []
        fresh: list[_Admitted] = []
        changed: set[int] = set()
        short: tuple[int, IsochroneError] | None = None  # fewest flows that found no room, and why
        for index, spec in enumerate(specs):
            try:
                if short is not None and spec.flows >= short[0]:
                    raise short[1]
                admitted = self._admit(spec)
            except IsochroneError as error:
                self.pool.close_unused()
                why.append(error.text)
                if is_shortage(error):
                    short = spec.flows, error
                continue
            accepted.append(index)
            self.pool.take(admitted.allotment)
            changed.update(admitted.allotment.channels)
            released = self._free and self._free.get(self._room_for(spec))
            if released:
                numbers.append(released.pop())
                self._settle(numbers[-1], admitted)
            else:
                numbers.append(len(self.specs) + len(fresh))
                fresh.append(admitted)
            self._note(numbers[-1], admitted)
        self._append(fresh)
        self._resolve(numbers)
        self._set_channel_peers(changed)
        return accepted, np.array(numbers, np.int64), why

    def _admit(self, spec: StreamSpec) -> _Admitted:
        """Return a stream with its channels open. Raises IsochroneError where it cannot run."""
        address = resolved(spec)
        if spec.type_p.authenticated and spec.destination not in self._stamp_keys:
            raise _no_key(spec)
        with explaining_obstacles(socket_family(spec), spec.source):
            return _Admitted(spec, address, self.pool.allot(spec, address))

    def _note(self, number: int, admitted: _Admitted) -> None:
        """Remember what a stream was allotted, and the interfaces it was resolved with."""
        self._allotted[number] = admitted.allotment
        spec = admitted.spec
        if "%" in spec.destination or "%" in (spec.source or ""):
            self._zoned[number] = admitted.address.tobytes(), zone_of(spec.source)

    def follow_interfaces(self) -> tuple[list[int], list[Channel]]:
        """Resolve again the streams that name an interface, which has another index once it was
        rebuilt; return (descriptors that were closed, channels that were opened).

        Sockets that are bound to the old one would send nothing for ever.
        """
        before, changed = set(self.channels), set[int]()
        for number, resolved_as in tuple(self._zoned.items()):
            spec = self.specs[number]
            try:
                address, index = resolved(spec).tobytes(), zone_of(spec.source)
                if (address, index) == resolved_as:
                    continue
                admitted = self._admit(spec)
            except IsochroneError:
                continue  # it is away, or has no address yet
            session, left = self.sessions_of(number), self._allotted[number]
            self.pool.take(admitted.allotment)
            self.pool.give_back(left)
            self._note(number, admitted)
            channels = admitted.allotment.channels
            self.channel_of[session], self.address[session] = channels, admitted.address
            self._resolve([number])
            changed.update(channels, left.channels)
        closed = self.pool.close_unused()
        self._set_channel_peers(changed & set(self.channels))
        return closed, [self.channels[number] for number in self.channels.keys() - before]

    def flow_marks(self, number: int) -> list[FlowMark]:
        """Return what tells the flows of a stream apart, in their order."""
        channels = self.channel_of[self.sessions_of(number)].tolist()
        return [self.channels[channel].flow_mark for channel in channels]

    def use_keys(self, stamp_keys: Mapping[str, bytes]) -> None:
        """Send authenticated probes under these keys, by destination, from now on.

        Streams that run and are not named keep theirs.
        """
        if stamp_keys == self._stamp_keys:
            return
        self._stamp_keys = stamp_keys
        self._set_channel_peers({n for n, channel in self.channels.items() if channel.signs})

    def resolve_sources(self) -> None:
        """Begin to ask again which address probes leave from whose checksums depend on it."""
        self._to_resolve = [
            number
            for number in self._allotted
            if self.specs[number].source is None and self._sums_addresses(number)
        ]

    @property
    def is_resolving(self) -> bool:
        """Tell whether there are some to be asked for still."""
        return bool(self._to_resolve)

    def resolve_some(self) -> None:
        """Ask for the next of them, so many that probes that are due need not wait for it."""
        some, self._to_resolve = self._to_resolve[:_RESOLVED], self._to_resolve[_RESOLVED:]
        if not some:
            return
        self._resolve([number for number in some if number in self._allotted])
        for channel in self.channels.values():
            if channel.sums_addresses:
                channel.use_addresses(self._port, self._address_sum)

    def _sums_addresses(self, number: int) -> bool:
        """Tell whether the packets of a stream hold a sum of the addresses of both ends."""
        channel = int(self.channel_of[self.first_session[number]])
        return self.channels[channel].sums_addresses

    def _resolve(self, numbers: Sequence[int]) -> None:
        """Learn the sums of addresses of streams whose packets hold them, as routes are now."""
        groups: dict[tuple[int, str | None], list[int]] = {}
        for number in numbers:
            spec = self.specs[number]
            if self._sums_addresses(number):
                groups.setdefault((socket_family(spec), spec.source), []).append(number)
        for (family, source), group in groups.items():
            first, flows = self.first_session[group], self.flows[group]
            with contextlib.suppress(OSError):  # the previous ones stay
                sums = pseudo_sums(family, self.address[first], source)
                self._address_sum[spans(first, flows)[1]] = np.repeat(sums, flows)

    def release(self, numbers: Sequence[int]) -> list[int]:
        """Forget streams of which nothing is in flight or in an open window.

        Returns the descriptors of the sockets that nobody needs any more, which are closed.
        """
        changed: set[int] = set()
        for number in numbers:
            session = self.sessions_of(number)
            allotment = self._allotted.pop(number)
            self.pool.give_back(allotment)
            changed.update(allotment.channels)
            self.channel_of[session] = -1
            self.ledger.forget(session)
            self._zoned.pop(number, None)
            self._free.setdefault(self._room_for(self.specs[number]), []).append(number)
        closed = self.pool.close_unused()
        self._set_channel_peers(changed & set(self.channels))
        return closed

    def sessions_of(self, number: int) -> NDArray[np.int64]:
        """Return the sessions of a stream, one per flow."""
        first = int(self.first_session[number])
        return np.arange(first, first + int(self.flows[number]))

    def _room_for(self, spec: StreamSpec) -> tuple[int, int]:
        """Return what numbers a stream can take over: those of as many flows and rows per flow."""
        timeout_ns, gap_ns = np.array([waiting_time_ns(spec)]), np.array([closest_gap_ns(spec)])
        return spec.flows, int(self.ledger.ring_of(timeout_ns, gap_ns)[0])

    def _settle(self, number: int, admitted: _Admitted) -> None:
        """Let a stream take over the numbers and rows of a released one."""
        spec = admitted.spec
        session = self.sessions_of(number)
        count = len(session)
        self.ledger.begin(
            session,
            np.full(count, number),
            np.arange(count),
            np.full(count, waiting_time_ns(spec)),
            np.full(count, closest_gap_ns(spec)),
            spec.type_p.dscp << 2,
        )
        self.specs[number] = spec
        self.stream_ids[number] = spec.stream_id
        self.sent[number] = 0
        self.channel_of[session] = admitted.allotment.channels
        self.address[session] = admitted.address
        self.secret[session] = self._secrets(count)
        self._port[session] = int(admitted.address[2:4].view(">u2")[0])
        self._address_sum[session] = 0

    def _append(self, admitted: list[_Admitted]) -> None:
        """Number streams that find no released ones, and their sessions."""
        if not admitted:
            return
        specs = [one.spec for one in admitted]
        flows = np.array([spec.flows for spec in specs])
        indptr = indptr_of(flows)
        stream, flow = len(self.specs) + row_of_entry(indptr), place_in_row(indptr)
        timeout_ns = np.array([waiting_time_ns(spec) for spec in specs])
        gap_ns = np.array([closest_gap_ns(spec) for spec in specs])
        tos = np.array([spec.type_p.dscp << 2 for spec in specs], np.uint8)
        sessions = self.ledger.add_sessions(
            stream,
            flow,
            np.repeat(timeout_ns, flows),
            np.repeat(gap_ns, flows),
            np.repeat(tos, flows),
        )
        self.specs += specs
        ids = np.array([spec.stream_id for spec in specs], np.uint64)
        self.stream_ids = np.append(self.stream_ids, ids)
        self.first_session = np.append(self.first_session, sessions[0] + indptr[:-1])
        self.flows = np.append(self.flows, flows)
        self.sent = np.append(self.sent, np.zeros(len(specs), np.int64))
        channels = [number for one in admitted for number in one.allotment.channels]
        self.channel_of = np.append(self.channel_of, np.array(channels, np.int64))
        stacked = np.repeat(np.array([one.address for one in admitted], np.uint8), flows, axis=0)
        self.address = np.concatenate([self.address, stacked])
        self.secret = np.append(self.secret, self._secrets(len(stream)))
        port = np.ascontiguousarray(stacked[:, 2:4]).view(">u2")[:, 0].astype(np.uint16)
        self._port = np.append(self._port, port)
        self._address_sum = np.append(self._address_sum, np.zeros(len(stream), np.uint64))

    def _secrets(self, count: int) -> NDArray[np.uint64]:
        return self._generator.integers(0, 1 << 63, count, np.int64).astype(np.uint64)

    def _set_channel_peers(self, changed: set[int]) -> None:
        """Give each changed channel its peers."""
        for number in changed:
            session = np.flatnonzero(self.channel_of == number)
            channel = self.channels[number]
            channel.set_peers(session, self.address[session])
            if channel.sums_addresses:
                channel.use_addresses(self._port, self._address_sum)
            if channel.signs:
                streams = self.ledger.sessions["stream"][session].tolist()
                keys = [self._stamp_keys.get(self.specs[stream].destination) for stream in streams]
                channel.use_keys(session, self.address[session], keys)


def _no_key(spec: StreamSpec) -> ConfigError:
    return ConfigError(
        f"The probes to {spec.destination} must be authenticated, but there is no key for them.",
        f"到 {spec.destination} 的探测要求认证，但没有相应的密钥。",
        destination=spec.destination,
    )
