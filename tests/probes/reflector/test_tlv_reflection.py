"""What a reflector says in the extensions of its replies (RFC 8972 §4)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reflector_parts import NOW_NS, sources

from probes.reflector.sessions import SessionTable
from probes.reflector.tlv_reflection import Exchange, TlvReflection
from probes.stamp import tlv as stamp_tlv
from probes.stamp.timestamps import wall_ns_to_ntp64
from probes.stamp.tlv import Tlv

KEY = bytes(range(32))
SYNCHRONISED, FREE_RUNNING = 0x8587, 0x0587
LEFT_NS = 1_700_000_000_000_000_000


class Session:
    """One session of a reflector, whose clock is disciplined by PTP."""

    def __init__(self) -> None:
        self.table = SessionTable()
        ssid = np.array([7], np.uint16)
        self.slot = int(self.table.slots(sources(("192.0.2.7", 5)), ssid, 1, NOW_NS)[0])
        self.tlvs = TlvReflection(self.table, stamp_tlv.SYNC_PTP)

    def exchange(
        self, *, estimate: int = SYNCHRONISED, tos: int = 46 << 2, key: bytes | None = None
    ) -> Exchange:
        return Exchange(self.slot, 9, 4, estimate, tos, key)

    def ask(self, *tlvs: Tlv, **circumstances: object) -> tuple[list[Tlv], bool, int]:
        """Return the TLVs of a reply, whether it tracks its departure, and its DSCP octet."""
        exchange = self.exchange(**circumstances)  # type: ignore[arg-type]  # passed on as given
        said = self.tlvs.reflect(stamp_tlv.encode_tlvs(tlvs), exchange)
        return list(stamp_tlv.decode_tlvs(said.octets)), said.follow_up, said.tos


@given(st.binary(max_size=120), st.integers(-1, 255))
def test_reply_is_as_long_as_what_it_answers(rest: bytes, tos: int) -> None:
    session = Session()
    said = session.tlvs.reflect(rest, session.exchange(tos=tos))
    assert len(said.octets) == len(rest)
    assert 0 <= said.tos <= 0xFC
    assert said.tos & 3 == 0  # ECN is the network's


@pytest.mark.parametrize("rest", [b"", b"x"])
def test_what_is_no_extension_comes_back_as_it_is(rest: bytes) -> None:
    session = Session()
    said = session.tlvs.reflect(rest, session.exchange())
    assert (said.octets, said.follow_up, said.tos) == (rest, False, 46 << 2)


def test_what_is_malformed_comes_back_marked_so_and_is_not_answered() -> None:
    follow_up = bytearray(stamp_tlv.FollowUpTelemetry().to_tlv().encode())
    follow_up[3] += 1  # longer than what follows
    session = Session()
    said = session.tlvs.reflect(bytes(follow_up), session.exchange())
    (tlv,) = stamp_tlv.decode_tlvs(said.octets)
    assert tlv.malformed
    assert said.octets[1:] == bytes(follow_up[1:])


def test_follow_up_tells_when_the_last_reply_left() -> None:
    session, asked = Session(), stamp_tlv.FollowUpTelemetry().to_tlv()
    (first,), tracks, _ = session.ask(asked)
    assert tracks
    assert stamp_tlv.FollowUpTelemetry.from_tlv(first) == stamp_tlv.FollowUpTelemetry()
    session.table.note_tx_time(session.slot, 3, LEFT_NS)
    (second,), _, _ = session.ask(asked)
    assert stamp_tlv.FollowUpTelemetry.from_tlv(second) == stamp_tlv.FollowUpTelemetry(
        3, wall_ns_to_ntp64(LEFT_NS), stamp_tlv.METHOD_SOFTWARE
    )
    assert not second.unrecognised


@pytest.mark.parametrize(
    ("estimate", "source"),
    [(SYNCHRONISED, stamp_tlv.SYNC_PTP), (FREE_RUNNING, stamp_tlv.SYNC_LOCAL)],
)
def test_timestamps_are_said_to_be_of_the_clock_as_it_is(estimate: int, source: int) -> None:
    (said,), tracks, _ = Session().ask(stamp_tlv.TimestampInformation().to_tlv(), estimate=estimate)
    method = stamp_tlv.METHOD_SOFTWARE
    assert stamp_tlv.TimestampInformation.from_tlv(said) == stamp_tlv.TimestampInformation(
        source, method, source, method
    )
    assert not tracks


def test_class_of_service_tells_what_arrived_and_leaves_with_what_is_asked() -> None:
    asked = stamp_tlv.ClassOfService.of(asked=10).to_tlv()
    (said,), _, tos = Session().ask(asked, tos=46 << 2 | 1)
    told = stamp_tlv.ClassOfService.from_tlv(said)
    assert (told.asked, told.received, told.ecn) == (10, 46, 1)
    assert tos == 10 << 2


def test_class_of_service_is_not_understood_where_the_system_does_not_tell_it() -> None:
    (said,), _, tos = Session().ask(stamp_tlv.ClassOfService.of(asked=10).to_tlv(), tos=-1)
    assert said.unrecognised
    assert tos == 0


def test_without_a_wish_the_reply_leaves_with_the_dscp_of_its_request() -> None:
    assert Session().ask(stamp_tlv.FollowUpTelemetry().to_tlv(), tos=46 << 2 | 3)[2] == 46 << 2


def test_direct_measurement_counts_replies_so_far() -> None:
    asked = stamp_tlv.DirectMeasurement(sender_sent=77).to_tlv()
    (said,), _, _ = Session().ask(asked)
    told = stamp_tlv.DirectMeasurement.from_tlv(said)
    assert (told.sender_sent, told.reflector_received, told.reflector_sent) == (77, 5, 5)


def test_what_is_unknown_keeps_its_u_flag_and_the_rest_is_answered() -> None:
    unknown = Tlv(type=200, value=b"abcd")
    follow_up = stamp_tlv.FollowUpTelemetry().to_tlv()
    said, tracks, _ = Session().ask(unknown, follow_up)
    assert [(tlv.type, tlv.unrecognised) for tlv in said] == [
        (200, True),
        (stamp_tlv.FOLLOW_UP_TELEMETRY, False),
    ]
    assert said[0].value == b"abcd"
    assert tracks


def test_under_a_key_extensions_are_signed_anew_with_the_replys_number() -> None:
    follow_up = stamp_tlv.FollowUpTelemetry().to_tlv()
    chain = [follow_up, stamp_tlv.hmac_tlv(KEY, 9, [follow_up])]
    said, _, _ = Session().ask(*chain, key=KEY)
    assert stamp_tlv.check_tlvs(said, KEY, 4, required=True)
    assert not stamp_tlv.check_tlvs(said, KEY, 9, required=True)


def test_a_wrong_digest_fails_every_extension_and_asks_for_nothing() -> None:
    service = stamp_tlv.ClassOfService.of(asked=10).to_tlv()
    chain = [service, stamp_tlv.hmac_tlv(bytes(32), 9, [service])]
    said, _, tos = Session().ask(*chain, key=KEY)
    assert all(tlv.failed for tlv in said)
    assert tos == 46 << 2  # what nobody signed is no wish
