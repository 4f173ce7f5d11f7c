"""Answering few requests of known senders one by one: so they are answered sooner."""

from __future__ import annotations

from probes.reflector.context import Arrival, Context, Moment
from probes.reflector.known_senders import KnownSender, asks_follow_up, reply_to, write_t3
from probes.reflector.listening import FEW, Listener
from probes.reflector.reflection import Reflection
from probes.reflector.screening import Screening
from probes.sockets.batch import OnePacket

# A request, its sender, and whether he asks for Follow-Up Telemetry.
_Asked = tuple[OnePacket, KnownSender, bool]


class FewResponder:
    """Answers if all that arrived are requests of known senders, plain or authenticated."""

    def __init__(self, context: Context, screening: Screening, reflection: Reflection) -> None:
        self._context, self._counts = context, context.counts
        self._screening, self._reflection = screening, reflection

    def respond(self, arrived: Listener) -> bool:
        """Answer one by one; False if they are many, or somebody has to be got to know first."""
        listener, count = arrived, arrived.arrived
        if count > FEW:
            return False
        asked = self._asked(listener, count)
        if asked is None:
            return False
        self._counts["received"] += count
        now_ns = self._context.clock.monotonic_ns()
        self._screening.limits.learn(now_ns)
        moment = listener.moment(now_ns)
        for packet, sender, follow_up in asked:
            if sender.keys is None:
                self._answer(listener, packet, sender, moment, follow_up=follow_up)
            else:
                self._answer_authenticated(listener, packet, sender, sender.keys, moment)
            # At once: the next reply of a session that asked twice reports about this one, and no
            # departures heap up whose telling would lag behind ever after.
            listener.collect_one_timestamp()
        return True

    def _asked(self, listener: Listener, count: int) -> list[_Asked] | None:
        """Return the requests that have arrived, None if one of them has to be taken with care."""
        listener.known.hold_under((self._screening.limits, self._reflection.sessions.forgets))
        asked: list[_Asked] = []
        for packet in [listener.socket.read_row(row) for row in range(count)]:
            sender = listener.known.find(packet.address, packet.payload)
            if sender is None and listener.authenticated is not None:
                sender = listener.known.find(packet.address, packet.payload, authenticated=True)
            authenticated = sender is not None and sender.keys is not None
            follow_up = False if authenticated else asks_follow_up(packet.payload)
            if packet.truncated or sender is None or follow_up is None:
                return None
            asked.append((packet, sender, follow_up))
        return asked

    def _answer(
        self,
        listener: Listener,
        packet: OnePacket,
        sender: KnownSender,
        moment: Moment,
        *,
        follow_up: bool,
    ) -> None:
        context, limits = self._context, self._screening.limits
        refusal = limits.refusal(sender.bucket, sender.slot, moment.now_ns, authenticated=False)
        if refusal is not None:
            self._counts[refusal] += 1
            return
        reply, sequence = reply_to(
            packet.payload,
            sender,
            self._reflection.sessions,
            moment,
            packet.timestamp_ns + context.shift_ns,
            packet.ttl,
            follow_up=follow_up,
        )
        source = packet.destination if listener.everywhere else b""
        read_ns = 0

        def timestamp() -> None:
            nonlocal read_ns
            read_ns = context.clock.wall_ns()
            write_t3(reply, read_ns + context.shift_ns)

        error, key = listener.socket.send_one(
            reply, sender.address, source, timestamp, packet.tos & 0xFC
        )
        listener.lag.sent(key, read_ns)
        self._counts["unsent" if error else "reflected"] += 1
        if follow_up:
            listener.reply_timestamps.expect_one(key, sender.slot, sequence)

    def _answer_authenticated(
        self,
        listener: Listener,
        packet: OnePacket,
        sender: KnownSender,
        keys: tuple[bytes, ...],
        moment: Moment,
    ) -> None:
        """Answer one request of a sender that has to authenticate itself."""
        read_ns = self._context.clock.wall_ns()  # T3 is read soon after, for it is under the HMAC
        reply = self._reflection.authenticated.answer_one(
            packet.payload,
            keys,
            sender.slot,
            Arrival(packet.timestamp_ns + self._context.shift_ns, packet.ttl, packet.tos),
            moment,
            refusal=lambda: self._screening.limits.refusal(
                sender.bucket, sender.slot, moment.now_ns, authenticated=True
            ),
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
