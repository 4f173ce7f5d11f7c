"""What a Session-Reflector answers to the TLVs of a request (RFC 8972), one packet at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from foundation.errors import RemoteProtocolError
from probes.reflector.sessions import SessionTable
from probes.stamp import tlv as stamp_tlv
from probes.stamp.timestamps import decode_error_estimate, wall_ns_to_ntp64
from probes.stamp.tlv import Tlv

ECN_BITS, DSCP = 2, 0xFC  # of the IP header's octet


@dataclass(slots=True)
class Exchange:
    """A request and its reply, as far as TLVs report them: the session, both numbers, the Error
    Estimate of the clock, the octet of DSCP and ECN that the request came with (-1 unknown) and
    the key of its HMAC, if it has one."""

    slot: int
    sender_sequence: int
    sequence: int
    error_estimate: int
    tos: int
    key: bytes | None = None


class ReflectedTlvs(NamedTuple):
    """The TLVs of a reply, of the size of the request's; whether Follow-Up Telemetry is among them;
    and the DSCP that the reply leaves with."""

    octets: bytes
    follow_up: bool
    tos: int


class TlvReflection:
    """Answers TLVs from what is known of the sessions."""

    def __init__(self, sessions: SessionTable, sync_source: int) -> None:
        self._sessions, self._sync_source = sessions, sync_source

    def reflect(self, rest: bytes, exchange: Exchange) -> ReflectedTlvs:
        """Return what follows the base packet of a reply; `rest` followed that of the request."""
        leaving = max(exchange.tos, 0) & DSCP
        try:
            tlvs = stamp_tlv.decode_tlvs(rest)
        except RemoteProtocolError:  # padding of a TWAMP-Light sender: it comes back as it is
            return ReflectedTlvs(rest, False, leaving)
        reply = stamp_tlv.reflect_tlvs(
            tlvs,
            self._answers(exchange),
            key=exchange.key,
            sender_sequence=exchange.sender_sequence,
            sequence=exchange.sequence,
            authenticated=exchange.key is not None,
        )
        asks = any(tlv.type == stamp_tlv.FOLLOW_UP_TELEMETRY for tlv in tlvs)
        for tlv in stamp_tlv.usable_tlvs(reply):
            if tlv.type == stamp_tlv.CLASS_OF_SERVICE:
                leaving = stamp_tlv.ClassOfService.from_tlv(tlv).asked << ECN_BITS
        return ReflectedTlvs(stamp_tlv.encode_tlvs(reply), asks, leaving)

    def _answers(self, exchange: Exchange) -> dict[int, Callable[[Tlv], Tlv]]:
        """Return for every TLV type understood what fills it in a reply to this session."""
        tos = exchange.tos

        def follow_up(tlv: Tlv) -> Tlv:
            stamp_tlv.FollowUpTelemetry.from_tlv(tlv)
            departed, left_ns = self._sessions.take_tx_time(exchange.slot)
            if not left_ns:
                return stamp_tlv.FollowUpTelemetry().to_tlv()
            return stamp_tlv.FollowUpTelemetry(
                departed, wall_ns_to_ntp64(left_ns), stamp_tlv.METHOD_SOFTWARE
            ).to_tlv()

        def timestamp_information(tlv: Tlv) -> Tlv:
            stamp_tlv.TimestampInformation.from_tlv(tlv)
            synchronised = decode_error_estimate(exchange.error_estimate).synchronised
            source = self._sync_source if synchronised else stamp_tlv.SYNC_LOCAL
            method = stamp_tlv.METHOD_SOFTWARE
            return stamp_tlv.TimestampInformation(source, method, source, method).to_tlv()

        def class_of_service(tlv: Tlv) -> Tlv:
            asked = stamp_tlv.ClassOfService.from_tlv(tlv).asked
            dscp, ecn = tos >> ECN_BITS, tos & ~DSCP
            return stamp_tlv.ClassOfService.of(asked=asked, received=dscp, ecn=ecn).to_tlv()

        def direct_measurement(tlv: Tlv) -> Tlv:
            asked = stamp_tlv.DirectMeasurement.from_tlv(tlv)
            # Every request we count is answered: both counters are the replies so far.
            count = (exchange.sequence + 1) & 0xFFFF_FFFF
            return replace(asked, reflector_received=count, reflector_sent=count).to_tlv()

        known = {} if tos < 0 else {stamp_tlv.CLASS_OF_SERVICE: class_of_service}
        return known | {
            stamp_tlv.EXTRA_PADDING: lambda tlv: tlv,
            stamp_tlv.TIMESTAMP_INFORMATION: timestamp_information,
            stamp_tlv.DIRECT_MEASUREMENT: direct_measurement,
            stamp_tlv.ACCESS_REPORT: lambda tlv: stamp_tlv.AccessReport.from_tlv(tlv).to_tlv(),
            stamp_tlv.FOLLOW_UP_TELEMETRY: follow_up,
        }
