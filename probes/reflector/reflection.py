"""What a Session-Reflector answers: requests in, replies out, sessions remembered. No socket.

The common requests (nothing, padding or a Follow-Up TLV after the base packet) are answered as
columns. Only packets with other TLVs, and authenticated ones, are taken one at a time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from probes.reflector.authenticated_reflection import AuthenticatedReflection
from probes.reflector.context import Moment
from probes.reflector.requests import Replies, Requests
from probes.reflector.sessions import SessionTable
from probes.reflector.tlv_reflection import DSCP, Exchange, TlvReflection
from probes.stamp import packet as stamp
from probes.stamp import tlv as stamp_tlv
from probes.stamp.batch import write_error_estimate


class Reflection:
    """The answering side of STAMP, with its sessions. One thread at a time.

    `authenticated` answers those that have to prove who they are.
    """

    def __init__(
        self,
        *,
        sync_source: int = stamp_tlv.SYNC_NTP,
        sessions: SessionTable | None = None,
    ) -> None:
        self.sessions = SessionTable() if sessions is None else sessions
        self._tlvs = TlvReflection(self.sessions, sync_source)
        self.authenticated = AuthenticatedReflection(self.sessions, self._tlvs)

    def answer(self, requests: Requests, moment: Moment) -> Replies:
        """Turn unauthenticated requests into replies in place and count them into their sessions.

        T3 may be written again later.
        """
        packet, estimates = requests.packet, moment.estimates
        fields = stamp.read_sender_packets(packet, requests.length)
        slot = self.sessions.slots(requests.sources, fields.ssid, moment.local, moment.now_ns)
        sequence = self.sessions.take_sequence(slot)
        length = stamp.write_reflector_packets(
            packet,
            requests.length,
            sequence=sequence,
            receive_wall_ns=requests.receive_wall_ns,
            transmit_wall_ns=moment.wall_ns(),
            error_estimate=estimates.exact,
            ttl=np.where(requests.ttl == 0, np.uint8(255), requests.ttl),
        )
        asks = fields.follow_up.copy()
        tos = (np.maximum(requests.tos, 0) & DSCP).astype(np.uint8)
        if int(length.max(initial=0)) > stamp.BASE_BYTES:
            stamp.accept_padding(packet, fields.plain, fields.follow_up)
            for row in np.flatnonzero(~fields.plain):
                exchange = Exchange(
                    int(slot[row]),
                    int(fields.sequence[row]),
                    int(sequence[row]),
                    estimates.exact,
                    int(requests.tos[row]),
                )
                asks[row], tos[row] = self._answer_tlvs(packet[row], int(length[row]), exchange)
        tracked = np.flatnonzero(asks)
        self._follow_up(packet, slot, tracked[fields.plain[tracked]])
        alone = np.ones(len(packet), np.bool_)
        alone[tracked] = False
        write_error_estimate(packet, alone, estimates.early)
        return Replies(
            request=np.arange(len(packet)),
            length=length,
            tracked=tracked,
            slot=slot,
            sequence=sequence,
            tos=tos,
        )

    def _answer_tlvs(
        self, packet: NDArray[np.uint8], length: int, exchange: Exchange
    ) -> tuple[bool, int]:
        """Answer one packet's TLVs in place; tell if it asks for Follow-Up, and with which DSCP its
        reply leaves."""
        rest = packet[stamp.BASE_BYTES : length].tobytes()
        reply = self._tlvs.reflect(rest, exchange)
        packet[stamp.BASE_BYTES : length] = np.frombuffer(reply.octets, np.uint8)
        return reply.follow_up, reply.tos

    def _follow_up(
        self, packet: NDArray[np.uint8], slot: NDArray[np.int64], row: NDArray[np.intp]
    ) -> None:
        """Tell in these replies when the last one of each session left."""
        if len(row):
            departed, left_ns = self.sessions.take_tx_times(slot[row])
            method = stamp_tlv.METHOD_SOFTWARE
            stamp.write_follow_up(packet, row, sequence=departed, wall_ns=left_ns, method=method)
