"""Answering single datagrams, whose timestamps were taken in user space."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from foundation.errors import RemoteProtocolError
from probes.reflector.admission import parse_prefix
from probes.reflector.context import Context
from probes.reflector.spec import ReflectorSpec
from probes.stamp import packet as stamp
from probes.stamp.timestamps import encode_error_estimate, wall_ns_to_ntp64

_MAX_SESSIONS = 10_000


@dataclass(slots=True)
class Datagram:
    """What arrived, from which socket address and when; and the reply to it, if it deserves one."""

    octets: bytes
    source: tuple[Any, ...]
    receive_wall_ns: int
    reply: bytes | None = None


class PortableResponder:
    """Answers the peers of `spec`, with `hmac_key` only what is authenticated by it."""

    def __init__(self, context: Context, spec: ReflectorSpec, hmac_key: bytes | None) -> None:
        self._context, self._counts = context, context.counts
        self._spec, self._key = spec, hmac_key
        self._peers = [parse_prefix(peer) for peer in spec.peers]
        self._sessions: OrderedDict[tuple[str, int, int], int] = OrderedDict()

    def respond(self, arrived: Datagram) -> bool:
        """Put the reply beside what arrived, where it deserves one."""
        self._counts["received"] += 1
        address = ipaddress.ip_address(str(arrived.source[0]).partition("%")[0])
        port = int(arrived.source[1])
        if port in (0, self._spec.port) or not any(address in peer for peer in self._peers):
            self._counts["refused"] += 1
            return True
        try:
            request = stamp.decode_sender(arrived.octets, self._key)
        except RemoteProtocolError:
            self._counts["malformed"] += 1
            return True
        reply = stamp.ReflectorPacket(
            sequence=self._take_sequence((str(address), port, request.ssid)),
            t3=wall_ns_to_ntp64(self._context.wall_ns()),
            error_estimate=encode_error_estimate(self._context.own_clock_bound_ns()),
            ssid=request.ssid,
            t2=wall_ns_to_ntp64(arrived.receive_wall_ns),
            sender_sequence=request.sequence,
            sender_t1=request.t1,
            sender_error_estimate=request.error_estimate,
            rest=request.rest,  # TLVs return with U set: this reflector understands none
        )
        arrived.reply = stamp.encode_reflector(reply, self._key)
        return True

    def _take_sequence(self, session: tuple[str, int, int]) -> int:
        sequence = self._sessions.pop(session, 0)
        self._sessions[session] = (sequence + 1) & 0xFFFF_FFFF
        if len(self._sessions) > _MAX_SESSIONS:
            self._sessions.popitem(last=False)  # the one longest unheard of
        return sequence
