"""What a Session-Reflector answers: requests in, replies out, sessions remembered. No socket.

The common requests (nothing, padding or a Follow-Up TLV after the base packet) are answered as
columns. Only packets with other TLVs, and authenticated ones, are taken one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from foundation.errors import RemoteProtocolError
from probes.reflector.sessions import SessionTable, Sources, is_fresh
from probes.stamp import packet as stamp
from probes.stamp import tlv as stamp_tlv
from probes.stamp.batch import write_error_estimate
from probes.stamp.timestamps import decode_error_estimate, wall_ns_to_ntp64
from probes.stamp.tlv import Tlv

_ECN_BITS, _DSCP = 2, 0xFC  # of the IP header's octet


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """n requests that may be answered. `packet` uint8[n, width ≥ 112] holds them in its rows and
    is turned into the replies; the other fields have shape [n]: `length` in bytes,
    `receive_wall_ns` T2, `ttl` as received, 0 unknown, `tos` DSCP and ECN as received, -1
    unknown."""

    packet: NDArray[np.uint8]
    length: NDArray[np.int64]
    sources: Sources
    receive_wall_ns: NDArray[np.int64]
    ttl: NDArray[np.uint8]
    tos: NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """m replies, in the first m rows of the requests' `packet`.

    `request` int[m] tells which request each answers, `length` int64[m] its size, `slot` int64[m]
    its session and `sequence` uint32[m] its number there; `tos` uint8[m] has the DSCP it leaves
    with: that of the request, or what its Class of Service TLV asks for. `tracked` int[k] numbers
    the replies whose departure the sender wants to know. `malformed`, `forged` and `replayed` count
    what is not answered; what the limits refuse is counted by who refuses it.
    """

    request: NDArray[np.intp]
    length: NDArray[np.int64]
    tracked: NDArray[np.intp]
    slot: NDArray[np.int64]
    sequence: NDArray[np.uint32]
    tos: NDArray[np.uint8]
    malformed: int = 0
    forged: int = 0
    replayed: int = 0


@dataclass(frozen=True, slots=True)
class OneReply:
    """An authenticated reply, its number, and whether its departure is to be told."""

    octets: bytes
    tos: int  # DSCP to leave with
    sequence: int
    tracked: bool


Refusal = Literal["forged", "malformed", "replayed", "limited", "limited_by_source"]


class Reflection:
    """The answering side of STAMP, with its sessions. One thread at a time."""

    def __init__(
        self,
        *,
        sync_source: int = stamp_tlv.SYNC_NTP,
        sessions: SessionTable | None = None,
    ) -> None:
        self.sessions = SessionTable() if sessions is None else sessions
        self._sync_source = sync_source

    def answer(
        self,
        requests: Requests,
        keys: Sequence[tuple[bytes, ...]] | None = None,
        *,
        local: int,
        now_ns: int,
        wall_ns: Callable[[], int],
        error_estimate: int,
        uncorrected_estimate: int,
        within_limits: Callable[[NDArray[np.intp]], NDArray[np.bool_]] | None = None,
    ) -> Replies:
        """Turn requests into replies in place and count them into their sessions.

        With `keys`, those of each request's sender, only authenticated requests are answered, each
        under the key it came with, and of them those that `within_limits` lets through: a forged
        or recorded request must take nothing from a true one. `local` numbers the socket, `now_ns`
        is monotonic, `wall_ns` gives T3. T3 of unauthenticated replies may be written again later;
        it is under the HMAC of the others.
        `error_estimate` is that of the clock, `uncorrected_estimate` contains the lag of T3 too.
        """
        if keys is None:
            replies = self._answer_open(requests, local, now_ns, wall_ns(), error_estimate)
            uncorrected = np.ones(len(requests.packet), np.bool_)
            uncorrected[replies.tracked] = False
            write_error_estimate(requests.packet, uncorrected, uncorrected_estimate)
            return replies
        return self._answer_authenticated(
            requests,
            keys,
            local,
            now_ns,
            wall_ns,
            (error_estimate, uncorrected_estimate),
            within_limits or (lambda rows: np.ones(len(rows), np.bool_)),
        )

    def _answer_open(
        self, requests: Requests, local: int, now_ns: int, wall_ns: int, error_estimate: int
    ) -> Replies:
        packet = requests.packet
        fields = stamp.read_sender_packets(packet, requests.length)
        slot = self.sessions.slots(requests.sources, fields.ssid, local, now_ns)
        sequence = self.sessions.take_sequence(slot)
        length = stamp.write_reflector_packets(
            packet,
            requests.length,
            sequence=sequence,
            receive_wall_ns=requests.receive_wall_ns,
            transmit_wall_ns=wall_ns,
            error_estimate=error_estimate,
            ttl=np.where(requests.ttl == 0, np.uint8(255), requests.ttl),
        )
        asks = fields.follow_up.copy()
        tos = (np.maximum(requests.tos, 0) & _DSCP).astype(np.uint8)
        if int(length.max(initial=0)) > stamp.BASE_BYTES:
            stamp.accept_padding(packet, fields.plain, fields.follow_up)
            for row in np.flatnonzero(~fields.plain):
                asks[row], tos[row] = self._answer_tlvs(
                    packet[row],
                    int(length[row]),
                    int(slot[row]),
                    int(fields.sequence[row]),
                    int(sequence[row]),
                    error_estimate,
                    int(requests.tos[row]),
                )
        tracked = np.flatnonzero(asks)
        plain = tracked[fields.plain[tracked]]
        if len(plain):
            departed, left_ns = self.sessions.take_tx_times(slot[plain])
            stamp.write_follow_up(
                packet,
                plain,
                sequence=departed,
                wall_ns=left_ns,
                method=stamp_tlv.METHOD_SOFTWARE,
            )
        return Replies(
            request=np.arange(len(packet)),
            length=length,
            tracked=tracked,
            slot=slot,
            sequence=sequence,
            tos=tos,
        )

    def _answer_tlvs(
        self,
        packet: NDArray[np.uint8],
        length: int,
        slot: int,
        sender_sequence: int,
        sequence: int,
        error_estimate: int,
        tos: int,
    ) -> tuple[bool, int]:
        """Answer one unauthenticated packet's TLVs in place; tell if it asks for Follow-Up, and
        with which DSCP its reply leaves."""
        rest = packet[stamp.BASE_BYTES : length].tobytes()
        reply, asks, leaving = self._reflected(
            rest, None, slot, sender_sequence, sequence, error_estimate, tos
        )
        packet[stamp.BASE_BYTES : length] = np.frombuffer(reply, np.uint8)
        return asks, leaving

    def _reflected(
        self,
        rest: bytes,
        key: bytes | None,
        slot: int,
        sender_sequence: int,
        sequence: int,
        error_estimate: int,
        tos: int,
    ) -> tuple[bytes, bool, int]:
        """Return the reply's TLVs, of the same size, whether Follow-Up is among them, and the DSCP
        that the reply leaves with; `tos` is what the request came with, -1 unknown."""
        leaving = max(tos, 0) & _DSCP
        try:
            tlvs = stamp_tlv.decode_tlvs(rest)
        except RemoteProtocolError:  # padding of a TWAMP-Light sender: it comes back as it is
            return rest, False, leaving
        reply = stamp_tlv.reflect_tlvs(
            tlvs,
            self._answers(slot, sequence, error_estimate, tos),
            key=key,
            sender_sequence=sender_sequence,
            sequence=sequence,
            authenticated=key is not None,
        )
        asks = any(tlv.type == stamp_tlv.FOLLOW_UP_TELEMETRY for tlv in tlvs)
        for tlv in stamp_tlv.usable_tlvs(reply):
            if tlv.type == stamp_tlv.CLASS_OF_SERVICE:
                leaving = stamp_tlv.ClassOfService.from_tlv(tlv).asked << _ECN_BITS
        return stamp_tlv.encode_tlvs(reply), asks, leaving

    def _answers(
        self, slot: int, sequence: int, error_estimate: int, tos: int
    ) -> dict[int, Callable[[Tlv], Tlv]]:
        """Return for every TLV type understood what fills it in a reply to this session."""

        def follow_up(tlv: Tlv) -> Tlv:
            stamp_tlv.FollowUpTelemetry.from_tlv(tlv)
            departed, left_ns = self.sessions.take_tx_time(slot)
            if not left_ns:
                return stamp_tlv.FollowUpTelemetry().to_tlv()
            return stamp_tlv.FollowUpTelemetry(
                departed, wall_ns_to_ntp64(left_ns), stamp_tlv.METHOD_SOFTWARE
            ).to_tlv()

        def timestamp_information(tlv: Tlv) -> Tlv:
            stamp_tlv.TimestampInformation.from_tlv(tlv)
            synchronised = decode_error_estimate(error_estimate).synchronised
            source = self._sync_source if synchronised else stamp_tlv.SYNC_LOCAL
            method = stamp_tlv.METHOD_SOFTWARE
            return stamp_tlv.TimestampInformation(source, method, source, method).to_tlv()

        def class_of_service(tlv: Tlv) -> Tlv:
            asked = stamp_tlv.ClassOfService.from_tlv(tlv).asked
            dscp, ecn = tos >> _ECN_BITS, tos & ~_DSCP
            return stamp_tlv.ClassOfService.of(asked=asked, received=dscp, ecn=ecn).to_tlv()

        def direct_measurement(tlv: Tlv) -> Tlv:
            asked = stamp_tlv.DirectMeasurement.from_tlv(tlv)
            # Every request we count is answered: both counters are the replies so far.
            count = (sequence + 1) & 0xFFFF_FFFF
            return replace(asked, reflector_received=count, reflector_sent=count).to_tlv()

        known = {} if tos < 0 else {stamp_tlv.CLASS_OF_SERVICE: class_of_service}
        return known | {
            stamp_tlv.EXTRA_PADDING: lambda tlv: tlv,
            stamp_tlv.TIMESTAMP_INFORMATION: timestamp_information,
            stamp_tlv.DIRECT_MEASUREMENT: direct_measurement,
            stamp_tlv.ACCESS_REPORT: lambda tlv: stamp_tlv.AccessReport.from_tlv(tlv).to_tlv(),
            stamp_tlv.FOLLOW_UP_TELEMETRY: follow_up,
        }

    def _answer_authenticated(
        self,
        requests: Requests,
        keys: Sequence[tuple[bytes, ...]],
        local: int,
        now_ns: int,
        wall_ns: Callable[[], int],
        estimates: tuple[int, int],
        within_limits: Callable[[NDArray[np.intp]], NDArray[np.bool_]],
    ) -> Replies:
        """Verify, then answer, one packet at a time: each has a digest of its own."""
        good, decoded, malformed, forged = _verify(requests, keys)
        ssid = np.array([packet.ssid for packet, _ in decoded], np.uint16)
        slot = self.sessions.slots(requests.sources.take(good), ssid, local, now_ns)
        fresh = np.array(
            [
                is_fresh(self.sessions.rows[place], packet.sequence, packet.sent_wall_ns)
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
            reply = self._reply(
                packet,
                key,
                place,
                now_ns=now_ns,
                receive_wall_ns=int(requests.receive_wall_ns[row]),
                ttl=int(requests.ttl[row]),
                tos=int(requests.tos[row]),
                wall_ns=wall_ns,
                estimates=estimates,
            )
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
        *,
        now_ns: int,
        receive_wall_ns: int,
        ttl: int,
        tos: int,
        wall_ns: Callable[[], int],
        estimates: tuple[int, int],
        refusal: Callable[[], Refusal | None],
    ) -> OneReply | Refusal:
        """Return the reply to one authenticated request of a known session, or why there is none.

        `estimates` are the Error Estimates of replies with follow-up and without; `refusal` tells
        which limit a genuine request is beyond.
        """
        found = _under_one_of(keys, octets)
        if found is None:
            return "forged"
        if not _is_sound(found[0]):
            return "malformed"
        packet = found[0]
        if not is_fresh(self.sessions.rows[slot], packet.sequence, packet.sent_wall_ns):
            return "replayed"
        return refusal() or self._reply(
            *found,
            slot,
            now_ns=now_ns,
            receive_wall_ns=receive_wall_ns,
            ttl=ttl,
            tos=tos,
            wall_ns=wall_ns,
            estimates=estimates,
        )

    def _reply(
        self,
        packet: stamp.SenderPacket,
        key: bytes,
        slot: int,
        *,
        now_ns: int,
        receive_wall_ns: int,
        ttl: int,
        tos: int,
        wall_ns: Callable[[], int],
        estimates: tuple[int, int],
    ) -> OneReply:
        """Return the reply to an authenticated request."""
        sequence = self.sessions.next_sequence(slot, now_ns)
        rest, asks, leaving = self._reflected(
            packet.rest, key, slot, packet.sequence, sequence, estimates[0], tos
        )
        reply = stamp.ReflectorPacket(
            sequence=sequence,
            t3=wall_ns_to_ntp64(wall_ns()),
            error_estimate=estimates[0 if asks else 1],
            ssid=packet.ssid,
            t2=wall_ns_to_ntp64(receive_wall_ns),
            sender_sequence=packet.sequence,
            sender_t1=packet.t1,
            sender_error_estimate=packet.error_estimate,
            sender_ttl=ttl or None,
            rest=rest,
        )
        return OneReply(stamp.encode_reflector(reply, key), leaving, sequence, asks)


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
    """Return what a request says, and the key whose HMAC it bears; None if it bears none's."""
    for key in keys:
        if stamp.is_genuine(octets, key):  # sooner told than refused: forgers send many
            return stamp.decode_sender(octets, key), key
    return None
