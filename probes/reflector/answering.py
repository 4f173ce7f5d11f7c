"""Answering what arrives at a reflector's sockets: admission, replies, and when they left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from foundation.clock import Clock
from probes.addresses import unpack_address
from probes.reflector.known_senders import (
    MOST_KNOWN,
    KnownSender,
    asks_follow_up,
    keys_of,
    reply_to,
    sender_key,
    write_t3,
)
from probes.reflector.limits import Limits
from probes.reflector.listening import Listener
from probes.reflector.reflection import Reflection, Replies, Requests
from probes.reflector.sessions import Sources, read_sources
from probes.reflector.short_requests import ShortRequests
from probes.sockets.batch import OnePacket, Received
from probes.sockets.records import chosen
from probes.sockets.ring import Rings
from probes.stamp.batch import (
    SHORT_REQUEST_BYTES,
    bound_ssids,
    sequences,
    ssids,
    write_transmit_time,
)
from probes.stamp.packet import AUTHENTICATED_BYTES
from probes.stamp.timestamps import encode_error_estimate

_ROW_BYTES = 9280  # 145 cache lines: rows that do not all fall into one set of the cache
_BATCH = 1024
_LEAST_WIDTH = 112  # of an authenticated packet (RFC 8762 §4.2.2)
_FEW = 32  # so many requests are answered sooner one by one
_ROUNDS = 16  # batches of one socket before the others have their turn
_ESTIMATE_AGE_NS = 1_000_000_000


class Answering:
    """What a reflector does with the packets at its listeners; one thread at a time.

    `counts` are those of `ReflectorCounters`, `own_port` bool[65536] tells the ports of reflectors
    of ours, `limits` how much is answered, `short` which requests were too short; all timestamps
    are moved by `shift_ns`.
    """

    def __init__(
        self,
        reflection: Reflection,
        *,
        counts: dict[str, int],
        clock: Clock,
        own_clock_bound_ns: Callable[[], float],
        shift_ns: int,
    ) -> None:
        self.rings = Rings.of(_BATCH, _ROW_BYTES, in_place=True)
        self.own_port = np.zeros(1 << 16, np.bool_)
        self.limits: Limits
        self.short = ShortRequests()
        self._reflection, self._counts, self._clock = reflection, counts, clock
        self._own_clock_bound_ns, self.shift_ns = own_clock_bound_ns, shift_ns

    def limit(self, per_s: float, per_s_per_source: float | None) -> None:
        """Answer at most so many packets a second from now on, in all and of each source."""
        self.limits = Limits(per_s, per_s_per_source, self._reflection.sessions)

    def serve(self, listener: Listener) -> None:
        """Answer what has arrived at one socket, at most `_ROUNDS` batches of it."""
        for _ in range(_ROUNDS):
            count = listener.leaving = listener.socket.take_in()
            if 0 < count <= _FEW:
                self._answer_few(listener, count)
            elif count:
                self._answer(listener, count)
            self._collect_tx_timestamps(listener)
            if count < _BATCH:
                return

    def _answer_few(self, listener: Listener, count: int) -> None:
        """Answer one by one if all are requests of known senders, plain or authenticated; else get
        to know them."""
        limits, sessions = self.limits, self._reflection.sessions
        if listener.known_under != (limits, sessions.forgets):
            listener.known, listener.known_under = {}, (limits, sessions.forgets)
        packets = [listener.socket.read_row(row) for row in range(count)]
        asked: list[tuple[OnePacket, KnownSender, bool]] = []
        for packet in packets:
            sender = listener.known.get(sender_key(packet.address, packet.payload))
            if sender is None and listener.authenticated is not None:
                name = sender_key(packet.address, packet.payload, bound=True)
                sender = listener.known.get(name)
            bound = sender is not None and sender.keys is not None
            follow_up = False if bound else asks_follow_up(packet.payload)
            if packet.truncated or sender is None or follow_up is None:
                self._answer(listener, count)
                return
            asked.append((packet, sender, follow_up))
        self._counts["received"] += count
        for packet, sender, follow_up in asked:
            self._answer_one(listener, packet, sender, follow_up=follow_up)
            # At once: the next reply of a session that asked twice tells of this one, and no
            # departures heap up whose telling would lag behind ever after.
            self._collect_one(listener)

    def _answer_one(
        self,
        listener: Listener,
        packet: OnePacket,
        sender: KnownSender,
        *,
        follow_up: bool,
    ) -> None:
        now_ns = self._clock.monotonic_ns()
        self.limits.learn(now_ns)
        if sender.keys is not None:
            self._answer_bound(listener, packet, sender, sender.keys, now_ns)
            return
        refusal = self.limits.refusal(sender.bucket, sender.slot, now_ns, bound=False)
        if refusal is not None:
            self._counts[refusal] += 1
            return
        reply, sequence = reply_to(
            packet.payload,
            sender,
            self._reflection.sessions,
            now_ns=now_ns,
            receive_wall_ns=packet.timestamp_ns + self.shift_ns,
            ttl=packet.ttl,
            estimates=self._error_estimates(listener, now_ns),
            follow_up=follow_up,
        )
        source = packet.destination if listener.everywhere else b""
        read_ns = 0

        def timestamp() -> None:
            nonlocal read_ns
            read_ns = self._clock.wall_ns()
            write_t3(reply, read_ns + self.shift_ns)

        error, key = listener.socket.send_one(
            reply, sender.address, source, timestamp, packet.tos & 0xFC
        )
        listener.lag.sent(key, read_ns)
        self._counts["unsent" if error else "reflected"] += 1
        if follow_up:
            listener.reply_timestamps.expect_one(key, sender.slot, sequence)

    def _answer_bound(
        self,
        listener: Listener,
        packet: OnePacket,
        sender: KnownSender,
        keys: tuple[bytes, ...],
        now_ns: int,
    ) -> None:
        """Answer one request of a sender that has to authenticate itself."""
        read_ns = self._clock.wall_ns()  # T3 is read soon after, for it is under the HMAC
        reply = self._reflection.answer_one(
            packet.payload,
            keys,
            sender.slot,
            now_ns=now_ns,
            receive_wall_ns=packet.timestamp_ns + self.shift_ns,
            ttl=packet.ttl,
            tos=packet.tos,
            wall_ns=self._wall_ns,
            estimates=self._error_estimates(listener, now_ns),
            refusal=lambda: self.limits.refusal(sender.bucket, sender.slot, now_ns, bound=True),
        )
        if isinstance(reply, str):
            self._counts[reply] += 1
            return
        source = packet.destination if listener.everywhere else b""
        error, key = listener.socket.send_one(
            reply.octets, sender.address, source, lambda: None, reply.tos
        )
        listener.lag.sent(key, read_ns)
        self._counts["unsent" if error else "reflected"] += 1
        if reply.tracked:
            listener.reply_timestamps.expect_one(key, sender.slot, reply.sequence)

    def _learn(
        self,
        listener: Listener,
        slot: NDArray[np.int64],
        keys: Sequence[tuple[bytes, ...]] | None,
    ) -> None:
        """Remember who sent the few requests that were answered, with the slots of their sessions
        and the keys they are bound to.

        The first rows of the ring hold the replies, which repeat the SSIDs.
        """
        if len(listener.known) + len(slot) > MOST_KNOWN:
            listener.known = {}
        address, payload = (
            each[: len(slot)] for each in (self.rings.send.address, self.rings.send.payload)
        )
        bucket = self.limits.buckets(read_sources(address))
        names = keys_of(address, payload, bound=keys is not None)
        for index, (raw, name) in enumerate(names):
            listener.known[name] = KnownSender(
                int(slot[index]),
                unpack_address(raw),
                int(bucket[index]),
                None if keys is None else keys[index],
            )

    def _answer(self, listener: Listener, count: int) -> None:
        """Answer what was taken in, as columns and in place."""
        received = listener.socket.read_batch(count)
        now_ns = self._clock.monotonic_ns()
        counts = self._counts
        counts["received"] += count
        sound = ~received.truncated & (received.length >= SHORT_REQUEST_BYTES)
        counts["malformed"] += count - int(np.count_nonzero(sound))
        sources = read_sources(received.address)
        # Two reflectors must never answer each other: a spoofed packet would circle for ever.
        allowed = listener.peers.allows(sources) & ~self.own_port[sources.port]
        counts["refused"] += int(np.count_nonzero(sound & ~allowed))
        row = self._long_enough(listener, np.flatnonzero(sound & allowed), received)
        self.limits.learn(now_ns)
        if listener.authenticated is None:
            row = self._within_limits(listener, received, sources, row, now_ns)
            self._reply(listener, received, sources, row, now_ns)
            return
        has_to = listener.authenticated.holds(sources.take(row))
        free = self._within_limits(listener, received, sources, row[~has_to], now_ns)
        bound = self._worth_verifying(listener, received, sources, row[has_to], now_ns)
        self._answer_both(listener, received, sources, free, bound, now_ns)

    def _answer_both(
        self,
        listener: Listener,
        received: Received,
        sources: Sources,
        free: NDArray[np.intp],
        bound: NDArray[np.intp],
        now_ns: int,
    ) -> None:
        """Answer the requests of senders that are `free` to ask as they like, then those of senders
        that are `bound` to authenticate, whose rows are kept while the ring is used."""
        keys = listener.keys.of(sources.take(bound))
        if not len(free):
            self._reply(listener, received, sources, bound, now_ns, keys)
            return
        kept = received.taken(bound)
        self._reply(listener, received, sources, free, now_ns)
        ring, count = self.rings.send, len(bound)
        ring.payload[:count], ring.address[:count] = kept.payload, kept.address
        kept = replace(kept, payload=ring.payload[:count], address=ring.address[:count])
        self._reply(listener, kept, sources.take(bound), np.arange(count), now_ns, keys)

    def _reply(
        self,
        listener: Listener,
        received: Received,
        sources: Sources,
        row: NDArray[np.intp],
        now_ns: int,
        keys: Sequence[tuple[bytes, ...]] | None = None,
    ) -> None:
        """Answer these requests in place, under `keys` if given; remember who asked if few did."""
        if not len(row):
            return
        begun_wall_ns = self._clock.wall_ns()
        estimate, uncorrected = self._error_estimates(listener, now_ns)
        replies = self._reflection.answer(
            self._requests(received, row, sources),
            keys,
            local=listener.number,
            now_ns=now_ns,
            wall_ns=self._wall_ns,
            error_estimate=estimate,
            uncorrected_estimate=uncorrected,
            within_limits=lambda genuine: self._grant_bound(sources.take(row[genuine]), now_ns),
        )
        for name in ("malformed", "forged", "replayed"):
            self._counts[name] += getattr(replies, name)
        answered = chosen(row, replies.request)
        if len(answered) < len(received):
            self.rings.send.address[: len(answered)] = received.address[answered]
        # Bound to no address, a reply would leave from that of the route back, not the one asked.
        source = chosen(received.destination, answered) if listener.everywhere else None
        self._send(listener, replies, source, begun_wall_ns, late_timestamps=keys is None)
        if len(received) <= _FEW:
            of = None if keys is None else [keys[number] for number in replies.request.tolist()]
            self._learn(listener, replies.slot, of)

    def _requests(self, received: Received, row: NDArray[np.intp], sources: Sources) -> Requests:
        """Return the requests to be answered, moved to the first rows of the ring."""
        length = chosen(received.length, row)
        width = max(_LEAST_WIDTH, int(length.max()))
        packet = self.rings.send.payload[: len(row), :width]
        if len(row) < len(received):
            packet[:] = received.payload[row, :width]
        return Requests(
            packet=packet,
            length=length,
            sources=sources.take(row),
            receive_wall_ns=chosen(received.timestamp_ns, row) + self.shift_ns,
            ttl=chosen(received.ttl, row),
            tos=chosen(received.tos, row),
        )

    def _long_enough(
        self, listener: Listener, row: NDArray[np.intp], received: Received
    ) -> NDArray[np.intp]:
        """Return which of these requests are no shorter than their replies would be."""
        if not listener.least_bytes:
            return row
        long = received.length[row] >= listener.least_bytes
        if not long.all():
            short = row[~long]
            last, sender = short[-1], unpack_address(received.address[short[-1]].tobytes())[0]
            length, sender = int(received.length[last]), str(sender).removeprefix("::ffff:")
            self.short = self.short.and_more(len(short), length, listener.least_bytes, sender)
            self._counts["growing"] += len(short)
        return row[long]

    def _within_limits(
        self,
        listener: Listener,
        received: Received,
        sources: Sources,
        row: NDArray[np.intp],
        now_ns: int,
    ) -> NDArray[np.intp]:
        """Return which of these requests are answered; a loud source takes from no other."""
        if not len(row):
            return row
        asking = sources.take(row)

        def slots(of: NDArray[np.intp]) -> NDArray[np.int64]:
            ssid = ssids(received.payload, received.length, row[of])
            return self._reflection.sessions.find(asking.take(of), ssid, listener.number)

        granted, of_source = self.limits.grants(asking, now_ns, slots, bound=False)
        self._count_limited(granted, of_source)
        return row[granted]

    def _grant_bound(self, asking: Sources, now_ns: int) -> NDArray[np.bool_]:
        """Return which of these genuine requests are answered. They have limits of their own."""
        granted, of_source = self.limits.grants(asking, now_ns, None, bound=True)
        self._count_limited(granted, of_source)
        return granted

    def _count_limited(self, granted: NDArray[np.bool_], of_source: NDArray[np.bool_]) -> None:
        self._counts["limited_by_source"] += int(np.count_nonzero(of_source))
        self._counts["limited"] += int(np.count_nonzero(~granted & ~of_source))

    def _worth_verifying(
        self,
        listener: Listener,
        received: Received,
        sources: Sources,
        row: NDArray[np.intp],
        now_ns: int,
    ) -> NDArray[np.intp]:
        """Return which requests that have to be genuine are looked at: all that are long enough,
        and where they are more than we can verify, those whose numbers their sessions expect."""
        long = received.length[row] >= AUTHENTICATED_BYTES
        self._counts["forged"] += int(np.count_nonzero(~long))
        row = row[long]
        if len(row) <= (able := self.limits.verifications.take(len(row), now_ns)):
            return row
        sessions = self._reflection.sessions
        slot = sessions.find(sources.take(row), bound_ssids(received.payload, row), listener.number)
        expected = sessions.expect(slot, sequences(received.payload, row))
        expected[:able] = True
        self._counts["limited"] += int(np.count_nonzero(~expected))
        return row[expected]

    def _send(
        self,
        listener: Listener,
        replies: Replies,
        source: NDArray[np.uint8] | None,
        begun_wall_ns: int,
        *,
        late_timestamps: bool,
    ) -> None:
        """Send replies; with `late_timestamps` T3, which is under no HMAC then, is written last."""
        count = len(replies.length)
        if not count:
            return
        send = self.rings.send
        send.length[:count] = replies.length
        packet = send.payload[:count]
        read_ns = begun_wall_ns  # under an HMAC T3 was written then, or soon after

        def write_t3() -> None:
            nonlocal read_ns
            if late_timestamps:
                read_ns = self._clock.wall_ns()
                write_transmit_time(packet, read_ns + self.shift_ns)

        # Timestamps cost as much as sending; only these are read: follow-ups, and one for the lag.
        timestamped = np.zeros(count, np.bool_)
        timestamped[-1] = True
        timestamped[replies.tracked] = True
        tos = replies.tos if replies.tos.any() else None
        result = listener.socket.send(
            count, write_t3, timestamped=timestamped, source=source, tos=tos
        )
        listener.lag.sent(int(result.key[-1]), read_ns)
        listener.leaving = int(np.count_nonzero(timestamped))
        unsent = int(np.count_nonzero(result.error))
        self._counts["unsent"] += unsent
        self._counts["reflected"] += count - unsent
        if len(replies.tracked):
            tracked = replies.tracked
            listener.reply_timestamps.expect(
                result.key[tracked], replies.slot[tracked], replies.sequence[tracked]
            )

    def _collect_tx_timestamps(self, listener: Listener) -> None:
        """Empty the error queue (undrained it eats the receive buffer) into the sessions."""
        queue = listener.socket.error_queue
        one_by_one = listener.leaving <= _FEW and not queue.has_kept
        for _ in range(_FEW if one_by_one else 0):
            if not self._collect_one(listener):
                return
        while len(timestamps := queue.read()):
            listener.reply_timestamps.left(timestamps.key, timestamps.timestamp_ns + self.shift_ns)
            listener.lag.left(timestamps.key, timestamps.timestamp_ns)

    def _collect_one(self, listener: Listener) -> bool:
        """Take one departure from the error queue; tell whether there was one."""
        one = listener.socket.error_queue.read_one()
        if one is None:
            return False
        key, left_ns = one
        listener.reply_timestamps.one_left(key, left_ns + self.shift_ns)
        listener.lag.one_left(key, left_ns)
        return True

    def _wall_ns(self) -> int:
        return self._clock.wall_ns() + self.shift_ns

    def _error_estimates(self, listener: Listener, now_ns: int) -> tuple[int, int]:
        """Return the Error Estimates of replies with follow-up and without, made each second."""
        lag_ns = listener.lag.worst_ns
        if now_ns >= listener.estimates_until_ns or lag_ns > listener.told_lag_ns:
            bound_ns = self._own_clock_bound_ns()
            exact, early = encode_error_estimate(bound_ns), encode_error_estimate(bound_ns + lag_ns)
            listener.estimates, listener.told_lag_ns = (exact, early), lag_ns
            listener.lag.age()
            listener.estimates_until_ns = now_ns + _ESTIMATE_AGE_NS
        return listener.estimates
