"""What a Session-Reflector answers to authenticated requests: each has its own digest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from foundation.errors import RemoteProtocolError
from probes.reflector.context import Arrival, Moment
from probes.reflector.requests import Replies, Requests
from probes.reflector.sessions import SessionTable, is_fresh
from probes.reflector.tlv_reflection import Exchange, TlvReflection
from probes.stamp import packet as stamp
from probes.stamp.timestamps import wall_ns_to_ntp64

Refusal = Literal["forged", "malformed", "replayed", "limited", "limited_by_source"]


@dataclass(frozen=True, slots=True)
class OneReply:
    """An authenticated reply, its number, and whether its departure is to be told."""

    octets: bytes
    tos: int  # DSCP to leave with
    sequence: int
    tracked: bool


class AuthenticatedReflection:
    """Verifies requests and answers the genuine ones, each under the key it came with."""

    def __init__(self, sessions: SessionTable, tlvs: TlvReflection) -> None:
        self._sessions, self._tlvs = sessions, tlvs

    def answer(
        self,
        requests: Requests,
        keys: Sequence[tuple[bytes, ...]],
        moment: Moment,
        within_limits: Callable[[NDArray[np.intp]], NDArray[np.bool_]],
    ) -> Replies:
        """Turn requests into replies in place and count them into their sessions.

        `keys` are those of each request's sender. Of genuine requests those are answered that
        `within_limits` lets through: a forged or recorded one must take nothing from a true one.
        """
        good, decoded, malformed, forged = _verify(requests, keys)
        ssid = np.array([packet.ssid for packet, _ in decoded], np.uint16)
        sources = requests.sources.take(good)
        slot = self._sessions.slots(sources, ssid, moment.local, moment.now_ns)
        fresh = np.array(
            [
                is_fresh(self._sessions.rows[place], packet.sequence, packet.sent_wall_ns)
                for (packet, _), place in zip(decoded, slot.tolist(), strict=True)
            ],
            np.bool_,
        )
        answered = np.flatnonzero(fresh)
        answered = answered[within_limits(good[answered])]
        # request, length, tracked, slot, number, DSCP
        sent: list[tuple[int, int, bool, int, int, int]] = []
        for number in answered.tolist():
            row, (packet, key), place = int(good[number]), decoded[number], int(slot[number])
            arrival = Arrival(
                int(requests.receive_wall_ns[row]), int(requests.ttl[row]), int(requests.tos[row])
            )
            reply = self._reply(packet, key, place, arrival, moment)
            size = len(reply.octets)
            # Replies are packed to the front: row len(sent) ≤ row has been read already.
            requests.packet[len(sent), :size] = np.frombuffer(reply.octets, np.uint8)
            sent.append((row, size, reply.tracked, place, reply.sequence, reply.tos))
        columns = np.array(sent, np.int64).reshape(-1, 6)
        return Replies(
            request=columns[:, 0],
            length=columns[:, 1],
            tracked=np.flatnonzero(columns[:, 2]),
            slot=columns[:, 3],
            sequence=columns[:, 4].astype(np.uint32),
            tos=columns[:, 5].astype(np.uint8),
            malformed=malformed,
            forged=forged,
            replayed=len(decoded) - int(np.count_nonzero(fresh)),
        )

    def answer_one(
        self,
        octets: bytes,
        keys: tuple[bytes, ...],
        slot: int,
        arrival: Arrival,
        moment: Moment,
        *,
        refusal: Callable[[], Refusal | None],
    ) -> OneReply | Refusal:
        """Return the reply to one request of a known session, or why there is none; `refusal`
        tells which limit a genuine request is beyond."""
        found = _under_one_of(keys, octets)
        if found is None:
            return "forged"
        if not _is_sound(found[0]):
            return "malformed"
        packet = found[0]
        if not is_fresh(self._sessions.rows[slot], packet.sequence, packet.sent_wall_ns):
            return "replayed"
        return refusal() or self._reply(*found, slot, arrival, moment)

    def _reply(
        self, packet: stamp.SenderPacket, key: bytes, slot: int, arrival: Arrival, moment: Moment
    ) -> OneReply:
        sequence = self._sessions.next_sequence(slot, moment.now_ns)
        estimates = moment.estimates
        tlvs = self._tlvs.reflect(
            packet.rest,
            Exchange(slot, packet.sequence, sequence, estimates.exact, arrival.tos, key),
        )
        reply = stamp.ReflectorPacket(
            sequence=sequence,
            t3=wall_ns_to_ntp64(moment.wall_ns()),
            error_estimate=estimates.exact if tlvs.follow_up else estimates.early,
            ssid=packet.ssid,
            t2=wall_ns_to_ntp64(arrival.receive_wall_ns),
            sender_sequence=packet.sequence,
            sender_t1=packet.t1,
            sender_error_estimate=packet.error_estimate,
            sender_ttl=arrival.ttl or None,
            rest=tlvs.octets,
        )
        octets = stamp.encode_reflector(reply, key)
        return OneReply(octets, tlvs.tos, sequence, tlvs.follow_up)


def _verify(
    requests: Requests, keys: Sequence[tuple[bytes, ...]]
) -> tuple[NDArray[np.intp], list[tuple[stamp.SenderPacket, bytes]], int, int]:
    """Return (rows that are sound, their packets with the keys they came under, malformed,
    forged)."""
    good: list[int] = []
    decoded: list[tuple[stamp.SenderPacket, bytes]] = []
    malformed = forged = 0
    for row, length in enumerate(requests.length.tolist()):
        found = _under_one_of(keys[row], requests.packet[row, :length].tobytes())
        if found is None:
            forged += 1
            continue
        if not _is_sound(found[0]):
            malformed += 1
            continue
        good.append(row)
        decoded.append(found)
    return np.array(good, np.intp), decoded, malformed, forged


def _is_sound(packet: stamp.SenderPacket) -> bool:
    """Tell whether T1 is a moment: not a PTP timestamp of more than a second's nanoseconds."""
    try:
        _ = packet.sent_wall_ns
    except RemoteProtocolError:
        return False
    return True


def _under_one_of(
    keys: tuple[bytes, ...], octets: bytes
) -> tuple[stamp.SenderPacket, bytes] | None:
    """Return what a request says, and the key whose HMAC it carries; None if it carries none's."""
    for key in keys:
        if stamp.is_genuine(octets, key):  # sooner told than refused: forgers send many
            return stamp.decode_sender(octets, key), key
    return None
