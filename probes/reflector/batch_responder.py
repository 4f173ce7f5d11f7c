"""Answering what has arrived at a socket as columns and in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from probes.reflector.context import Context, Moment
from probes.reflector.listening import FEW, Listener
from probes.reflector.reflection import Reflection
from probes.reflector.requests import Replies, Requests
from probes.reflector.screening import Batch, Screening
from probes.reflector.sessions import read_sources
from probes.sockets.records import chosen
from probes.sockets.ring import Rings
from probes.stamp.batch import write_transmit_time

_LEAST_WIDTH = 112  # of an authenticated packet (RFC 8762 §4.2.2)


class BatchResponder:
    """Answers whatever has arrived; of few requests it notes who asked."""

    def __init__(
        self, context: Context, screening: Screening, reflection: Reflection, rings: Rings
    ) -> None:
        self._context, self._counts = context, context.counts
        self._screening, self._reflection, self._rings = screening, reflection, rings

    def respond(self, arrived: Listener) -> bool:
        """Answer all that arrived and deserves it."""
        listener, screening = arrived, self._screening
        received = listener.socket.read_batch(listener.arrived)
        now_ns = self._context.clock.monotonic_ns()
        batch = Batch(listener, received, read_sources(received.address), now_ns)
        self._counts["received"] += listener.arrived
        row = screening.admitted(batch)
        screening.limits.learn(now_ns)
        if listener.authenticated is None:
            self._reply(batch, screening.within_limits(batch, row))
            return True
        has_to = listener.authenticated.holds(batch.sources.take(row))
        free = screening.within_limits(batch, row[~has_to])
        self._reply_to_both(batch, free, screening.worth_verifying(batch, row[has_to]))
        return True

    def _reply_to_both(
        self, batch: Batch, free: NDArray[np.intp], authenticated: NDArray[np.intp]
    ) -> None:
        """Answer the requests of senders that are `free` to ask as they like, then those of senders
        that are to authenticate themselves, whose rows are kept while the ring is used."""
        sources = batch.sources.take(authenticated)
        keys = batch.listener.keys.of(sources)
        if not len(free):
            self._reply(batch, authenticated, keys)
            return
        kept = batch.received.taken(authenticated)
        self._reply(batch, free)
        ring, count = self._rings.send, len(authenticated)
        ring.payload[:count], ring.address[:count] = kept.payload, kept.address
        kept = replace(kept, payload=ring.payload[:count], address=ring.address[:count])
        self._reply(replace(batch, received=kept, sources=sources), np.arange(count), keys)

    def _reply(
        self,
        batch: Batch,
        row: NDArray[np.intp],
        keys: Sequence[tuple[bytes, ...]] | None = None,
    ) -> None:
        """Answer these requests in place, under `keys` if given; remember who asked if few did."""
        if not len(row):
            return
        listener, received, context = batch.listener, batch.received, self._context
        begun_wall_ns = context.clock.wall_ns()
        replies = self._replies(batch, row, keys, listener.moment(batch.now_ns))
        for name in ("malformed", "forged", "replayed"):
            self._counts[name] += getattr(replies, name)
        answered = chosen(row, replies.request)
        if len(answered) < len(received):
            self._rings.send.address[: len(answered)] = received.address[answered]
        # Bound to no address, a reply would leave from that of the route back, not the one asked.
        source = chosen(received.destination, answered) if listener.everywhere else None
        self._send(batch, replies, source, begun_wall_ns, late_timestamps=keys is None)
        if len(received) <= FEW:
            of = None if keys is None else [keys[number] for number in replies.request.tolist()]
            self._learn(batch, replies.slot, of)

    def _replies(
        self,
        batch: Batch,
        row: NDArray[np.intp],
        keys: Sequence[tuple[bytes, ...]] | None,
        moment: Moment,
    ) -> Replies:
        requests = self._requests(batch, row)
        if keys is None:
            return self._reflection.answer(requests, moment)

        def within_limits(genuine: NDArray[np.intp]) -> NDArray[np.bool_]:
            return self._screening.grant_authenticated(
                batch.sources.take(row[genuine]), batch.now_ns
            )

        return self._reflection.authenticated.answer(requests, keys, moment, within_limits)

    def _requests(self, batch: Batch, row: NDArray[np.intp]) -> Requests:
        """Return the requests to be answered, moved to the first rows of the ring."""
        received = batch.received
        length = chosen(received.length, row)
        width = max(_LEAST_WIDTH, int(length.max()))
        packet = self._rings.send.payload[: len(row), :width]
        if len(row) < len(received):
            packet[:] = received.payload[row, :width]
        return Requests(
            packet=packet,
            length=length,
            sources=batch.sources.take(row),
            receive_wall_ns=chosen(received.timestamp_ns, row) + self._context.shift_ns,
            ttl=chosen(received.ttl, row),
            tos=chosen(received.tos, row),
        )

    def _send(
        self,
        batch: Batch,
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
        listener, send, context = batch.listener, self._rings.send, self._context
        send.length[:count] = replies.length
        packet = send.payload[:count]
        read_ns = begun_wall_ns  # under an HMAC T3 was written then, or soon after

        def write_t3() -> None:
            nonlocal read_ns
            if late_timestamps:
                read_ns = context.clock.wall_ns()
                write_transmit_time(packet, read_ns + context.shift_ns)

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

    def _learn(
        self, batch: Batch, slot: NDArray[np.int64], keys: Sequence[tuple[bytes, ...]] | None
    ) -> None:
        """Remember who sent the few requests that were answered. The first rows of the ring hold
        the replies, which repeat the SSIDs."""
        send, count = self._rings.send, len(slot)
        address = send.address[:count]
        bucket = self._screening.limits.buckets(read_sources(address))
        batch.listener.known.learn(slot, address, send.payload[:count], bucket, keys)
