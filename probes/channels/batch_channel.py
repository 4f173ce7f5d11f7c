"""A batch socket with the codec of its protocol: one system call sends or takes a thousand probes.

Answers find their session by the address that they came from.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from probes.channels.channel import Channel, FlowMark, ProbeIcmpErrors, Replies
from probes.channels.codec import Codec, Outgoing, ReplyFields, eight_bytes
from probes.channels.discarded import MALFORMED, OTHER_ADDRESS, Discarded
from probes.sockets.batch import BatchSocket, Received, SendResult
from probes.sockets.damaged import DamagedPackets
from probes.sockets.error_queue import TxTimestamps
from probes.sockets.opening import OpenSocket, lease_flow_label
from probes.sockets.records import chosen
from probes.sockets.ring import Rings
from probes.stamp.batch import ReflectorFields

_KEYS = 4096  # TX timestamps that may be on their way back at once


class BatchChannel(Channel):
    """A batch socket, its codec and the peers behind it."""

    def __init__(
        self,
        number: int,
        opened: OpenSocket,
        codec: Codec,
        rings: Rings,
        damage: DamagedPackets,
        flow_label: int = 0,
    ) -> None:
        self.number = number
        self.signs, self.sums_addresses = codec.signs, codec.sums_addresses
        self.socket: BatchSocket = BatchSocket(
            opened.sock, rings=rings, with_ip_header=opened.with_ip_header
        )
        self.socket.ask_for_icmp_errors()
        self.codec = codec
        self.capacity = rings.send.capacity
        self._opened = opened
        self._family = opened.sock.family
        self._flow_info: NDArray[np.uint8] | None = None
        if flow_label and self._family == socket.AF_INET6:
            self._flow_info = np.frombuffer(lease_flow_label(opened.sock, flow_label), np.uint8)
        label = 0 if self._flow_info is None else int.from_bytes(self._flow_info.tobytes(), "big")
        self.flow_mark = FlowMark(opened.mark, label or None)
        self._session = np.zeros(0, np.int64)  # in the order of their peer keys
        self._peer_key = np.zeros(0, np.uint64)
        self._row_of_key = np.full(_KEYS, -1, np.int64)
        self._drops = 0  # what the socket had dropped when last asked
        self._overflow = 0  # of these, answers that no probe has been found for yet
        self._damaged = 0  # and those that were no overflow: their checksums were wrong
        self._overflow_ns = 0  # monotonic time at which more of them were last seen
        self._damage = damage
        self._discarded: list[Discarded] = []
        self.timestamps_when_read = not self.socket.error_queue.has_rx_timestamps

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()
        if self._opened.guard is not None:
            self._opened.guard.close()

    def set_peers(self, session: NDArray[np.int64], address: NDArray[np.uint8]) -> None:
        """Tell which sessions use this channel, and the sockaddr of each (uint8[n, 28])."""
        port = np.ascontiguousarray(address[:, 2:4]).view(">u2")[:, 0].astype(np.int64)
        key = _peer_keys(address, self._family, port)
        order = np.argsort(key, kind="stable")
        self._session, self._peer_key = session[order], key[order]

    def use_keys(
        self,
        session: NDArray[np.int64],
        address: NDArray[np.uint8],
        keys: Sequence[bytes | None],
    ) -> None:
        """Use a key for each session."""
        self.codec.use_keys(session, address, keys)

    def use_addresses(self, port: NDArray[np.uint16], address_sum: NDArray[np.uint64]) -> None:
        """Use ports and sums of addresses, by session number."""
        self.codec.use_addresses(port, address_sum)

    def send(
        self, probes: Outgoing, addresses: NDArray[np.uint8], row: NDArray[np.int64]
    ) -> tuple[SendResult, NDArray[np.uint64]]:
        """Send at most `capacity` probes; return (result, checks).

        `addresses` uint8[sessions, 28] has the sockaddr of every session.
        """
        count = len(row)
        if self.source_is_gone:  # IPv6 would continue sending from it, and nobody could answer
            error = np.full(count, errno.EADDRNOTAVAIL, np.int32)
            unsent = SendResult(error, np.zeros(count, np.uint32), probes.wall_ns)
            return unsent, np.zeros(count, np.uint64)
        ring = self.socket.rings.send
        addresses.take(probes.session, axis=0, out=ring.address[:count], mode="clip")
        if self._flow_info is not None:
            ring.address[:count, 4:8] = self._flow_info
        if self.codec.port_in_packet:  # a raw socket must not see it
            ring.address[:count, 2:4] = 0
        ring.length[:count] = self.codec.bytes_a_probe
        check = self.codec.write(ring.payload[:count, : self.codec.bytes_a_probe], probes)
        result = self.socket.send(count)
        self._row_of_key[result.key % _KEYS] = row
        return result, check

    def receive(self) -> Replies | None:
        """Return the answers that have arrived, at most a ring of them; None if nothing has."""
        received = self.socket.receive()
        if not len(received):
            return None
        said = self.codec.read(received)
        key = _peer_keys(received.address, self._family, said.port)
        if not len(self._peer_key):
            return None
        place = np.minimum(np.searchsorted(self._peer_key, key), len(self._peer_key) - 1)
        known = self._peer_key[place] == key
        ours = np.flatnonzero(said.valid & known)
        if len(ours) < len(received):
            self._set_aside(received, said, self._session[place], known)
        fields = said.reflector
        return Replies(
            session=self._session[chosen(place, ours)],
            low_sequence=chosen(said.low_sequence, ours),
            sequence_bits=said.sequence_bits,
            check=chosen(said.check, ours),
            timestamp_ns=chosen(received.timestamp_ns, ours),
            timestamp_kind=chosen(received.timestamp_kind, ours),
            ttl=chosen(received.ttl, ours),
            tos=chosen(received.tos, ours),
            answer=chosen(said.answer, ours),
            reflector=None if fields is None else _taken(fields, ours),
            ring_was_full=len(received) == self.capacity,
            asks_follow_up=said.asks_follow_up,
            lenient=said.lenient,
        )

    def _set_aside(
        self,
        received: Received,
        said: ReplyFields,
        session: NDArray[np.int64],
        known: NDArray[np.bool_],
    ) -> None:
        """Keep what is known of answers that are of no use: faulty ones of our peers, and sound
        ones of strangers, which may be answers all the same."""
        faulty, strange = np.flatnonzero(known & ~said.valid), np.flatnonzero(said.valid & ~known)
        if len(faulty):
            number, bits = self.codec.number_in(received)
            reason = np.full(len(known), MALFORMED, np.uint8) if said.fault is None else said.fault
            nothing = np.zeros(len(faulty), np.uint64)
            self._discarded.append(
                Discarded(session[faulty], number[faulty], bits, nothing, reason[faulty])
            )
        if len(strange):
            self._discarded.append(
                Discarded(
                    np.full(len(strange), -1),
                    said.low_sequence[strange],
                    said.sequence_bits,
                    said.check[strange],
                    np.full(len(strange), OTHER_ADDRESS, np.uint8),
                )
            )

    def take_discarded(self) -> list[Discarded]:
        """Return the answers of no use that came with those received so far."""
        taken, self._discarded = self._discarded, []
        return taken

    def sessions(self) -> NDArray[np.int64]:
        """Return the sessions that use this channel."""
        return self._session

    def tx_timestamps(self) -> tuple[NDArray[np.int64], TxTimestamps]:
        """Return timestamps that came back and the rows they were sent for (-1 where unknown)."""
        timestamps = self.socket.error_queue.read()
        return self._row_of_key[timestamps.key % _KEYS], timestamps

    def icmp_errors(self) -> Iterator[ProbeIcmpErrors]:
        """Yield what ICMP errors said of our probes."""
        for icmp_errors in self.socket.error_queue.take_icmp_errors():
            quoted = self.codec.quoted(icmp_errors)
            if not len(self._peer_key):
                continue
            key = _peer_keys(icmp_errors.address, self._family, quoted.port)
            place = np.minimum(np.searchsorted(self._peer_key, key), len(self._peer_key) - 1)
            ours = np.flatnonzero(quoted.known & (self._peer_key[place] == key))
            yield ProbeIcmpErrors(
                session=self._session[place[ours]],
                low_sequence=quoted.low_sequence[ours],
                sequence_bits=quoted.sequence_bits,
                numbered=quoted.numbered[ours],
                error=icmp_errors.error[ours],
                word=icmp_errors.word[ours],
                offender=icmp_errors.offender[ours],
            )

    def claim_dropped(
        self, sent_ns: NDArray[np.int64], now_ns: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return which of n unanswered probes this socket may have dropped the answers of:
        (there was no room for them, their checksums were wrong).

        As many as the kernel says, among those sent before that.
        """
        drops = self.socket.drops()
        if drops > self._drops:
            damaged = self._damage.claim(drops - self._drops)
            self._damaged += damaged
            self._overflow += drops - self._drops - damaged
            self._drops, self._overflow_ns = drops, now_ns
        eligible = np.flatnonzero(sent_ns <= self._overflow_ns)
        unread, eligible = eligible[: self._overflow], eligible[self._overflow :]
        damaged_ones = eligible[: self._damaged]
        self._overflow -= len(unread)
        self._damaged -= len(damaged_ones)
        return unread, damaged_ones

    def more_timestamps(self, just_read: int) -> bool:
        """Tell whether more TX timestamps may be waiting after that many were read at once."""
        return just_read > 0 and (just_read >= self.capacity or self.socket.error_queue.has_kept)


def _taken(fields: ReflectorFields, index: NDArray[np.int64]) -> ReflectorFields:
    """Return the rows of ascending `index`."""
    if len(index) == len(fields.valid):
        return fields
    columns = {name: getattr(fields, name)[index] for name in ReflectorFields.__slots__}
    return replace(fields, **columns)


def _peer_keys(
    address: NDArray[np.uint8], family: int, port: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Return a number that tells peers apart: exact for IPv4, a 64-bit mix for IPv6.

    An IPv6 peer has a zone: one link-local address may be a host's on every link (RFC 4007 §6).
    """
    number = port.astype(np.uint64)
    if family == socket.AF_INET:
        host = address[:, 4:8].view(">u4")[:, 0].astype(np.uint64)
        return (host << np.uint64(16)) | number
    high, low = eight_bytes(address[:, 8:16]), eight_bytes(address[:, 16:24])
    number |= address[:, 24:28].view("<u4")[:, 0].astype(np.uint64) << np.uint64(16)
    spread = (high * np.uint64(0x9E3779B97F4A7C15)) ^ (low + number)
    mixed: NDArray[np.uint64] = (spread ^ (spread >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed += low * np.uint64(0x94D049BB133111EB) + number
    return mixed
