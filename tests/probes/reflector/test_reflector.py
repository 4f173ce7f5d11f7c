"""The reflector on real sockets over loopback."""

import contextlib
import math
import os
import time

import pytest
from asking import Sender, reflector, request, spec

from probes.reflector.reflector import Reflector
from probes.stamp import packet as stamp
from probes.stamp import tlv as stamp_tlv
from probes.stamp.timestamps import decode_error_estimate, ntp64_to_wall_ns

pytestmark = pytest.mark.network
SHIFT_NS = 1_000_000_000_000


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_replies_are_numbered_by_the_reflector_and_carry_its_times(host):
    with reflector(spec(host)) as running, Sender(running.addresses()[0]) as sender:
        before_ns = time.time_ns()
        replies = [sender.probe(sequence) for sequence in (100, 101, 205)]
        after_ns = time.time_ns()
    assert [reply.sequence for reply in replies] == [0, 1, 2]
    assert [reply.sender_sequence for reply in replies] == [100, 101, 205]
    assert [reply.sender_ttl for reply in replies] == [64] * 3
    for reply in replies:
        assert before_ns <= reply.receive_wall_ns < reply.transmit_wall_ns
        assert reply.transmit_wall_ns <= after_ns
        assert decode_error_estimate(reply.error_estimate).error_ns >= 50_000


def test_sessions_are_told_apart_by_ssid_port_and_address():
    with reflector(spec("0.0.0.0")) as running:
        to = ("127.0.0.1", running.addresses()[0][1])
        with Sender(to) as one, Sender(to) as other, Sender(to, host="127.0.0.2") as third:
            assert [one.probe(ssid=1).sequence for _ in range(3)] == [0, 1, 2]
            assert one.probe(ssid=2).sequence == 0
            assert other.probe(ssid=1).sequence == 0
            assert third.probe(ssid=1).sequence == 0
            assert one.probe(ssid=1).sequence == 3
    assert running.counters().sessions == 4


def test_a_batch_of_two_sessions_is_numbered_in_order_of_arrival():
    with contextlib.ExitStack() as stack:
        running = Reflector([spec()], own_clock_bound_ns=lambda: 0.0)  # not started: they queue
        stack.callback(running.stop)
        sender = stack.enter_context(Sender(running.addresses()[0]))
        for sequence in range(100):
            sender.sock.sendto(request(sequence, ssid=sequence % 2), sender.to)
        running.start()
        replies = [stamp.decode_reflector(sender.sock.recv(100)) for _ in range(100)]
    assert [reply.sender_sequence for reply in replies] == list(range(100))
    assert [reply.sequence for reply in replies] == [number // 2 for number in range(100)]


@pytest.mark.parametrize(
    ("sent", "received"), [(14, 44), (38, 44), (41, 44), (44, 44), (112, 112), (1400, 1400)]
)
def test_every_length_is_answered_symmetrically_from_the_base_packet_up(sent, received):
    octets = request(9, ssid=5).ljust(1400, b"\0")[:sent]
    with reflector() as running, Sender(running.addresses()[0]) as sender:
        reply = sender.exchange(octets)
    assert len(reply) == received
    decoded = stamp.decode_reflector(reply)
    assert decoded.sender_sequence == 9
    assert decoded.ssid == (5 if sent >= 16 else 0)
    assert decoded.rest == octets[44:]


@pytest.mark.parametrize("length", [0, 1, 13, 9_300])
def test_what_is_too_short_or_too_long_is_counted_and_not_answered(length):
    with reflector() as running, Sender(running.addresses()[0]) as sender:
        assert sender.is_not_answered(bytes(length), request(77))
    counters = running.counters()
    assert (counters.malformed, counters.reflected) == (1, 1)


def test_padding_that_is_no_tlv_comes_back_unharmed_in_length():
    with reflector() as running, Sender(running.addresses()[0]) as sender:
        for tail in (b"\xff", os.urandom(37), b"\x80\x07\x00\x10abc", b"\x80\x03\x00\x00"):
            assert len(sender.exchange(request() + tail)) == 44 + len(tail)


def test_other_tlvs_are_answered_and_unknown_ones_say_so():
    asked = [
        stamp_tlv.DirectMeasurement(41).to_tlv(),
        stamp_tlv.FollowUpTelemetry().to_tlv(),
        stamp_tlv.Tlv(type=200, value=bytes(4)),
        stamp_tlv.TimestampInformation().to_tlv(),
    ]
    with reflector() as running, Sender(running.addresses()[0]) as sender:
        sender.probe(0)
        sender.probe(1, tlvs=asked)
        reply = stamp_tlv.decode_tlvs(sender.probe(2, tlvs=asked).rest)
    assert [tlv.unrecognised for tlv in reply] == [False, False, True, False]
    assert stamp_tlv.DirectMeasurement.from_tlv(reply[0]).reflector_received == 3
    assert stamp_tlv.FollowUpTelemetry.from_tlv(reply[1]).sequence == 1
    assert stamp_tlv.TimestampInformation.from_tlv(reply[3]).method_out == 2


def test_an_unsynchronised_clock_says_so():
    with reflector(bound_ns=math.nan) as running, Sender(running.addresses()[0]) as sender:
        assert not decode_error_estimate(sender.probe().error_estimate).synchronised


def test_a_shift_moves_every_timestamp_of_the_reflector():
    follow_up = [stamp_tlv.FollowUpTelemetry().to_tlv()]
    with (
        reflector(timestamp_shift_ns=SHIFT_NS) as running,
        Sender(running.addresses()[0]) as sender,
    ):
        first = sender.probe(tlvs=follow_up)
        second = sender.probe(tlvs=follow_up)
        now_ns = time.time_ns()
    told = stamp_tlv.FollowUpTelemetry.from_tlv(stamp_tlv.decode_tlvs(second.rest)[0])
    left_ns = ntp64_to_wall_ns(told.timestamp)
    for moment_ns in (first.receive_wall_ns, first.transmit_wall_ns, left_ns):
        assert SHIFT_NS - 60_000_000_000 < moment_ns - now_ns <= SHIFT_NS


def test_a_restart_begins_the_numbers_anew():
    place = spec()
    with reflector(place) as running, Sender(running.addresses()[0]) as sender:
        assert [sender.probe().sequence for _ in range(2)] == [0, 1]
        running.stop()
        with reflector(place):
            assert sender.probe().sequence == 0


def test_an_update_keeps_the_sessions_of_what_stays():
    one, other = spec(), spec()
    with reflector(one) as running, Sender(("127.0.0.1", one.port)) as sender:
        sender.probe()
        running.update([one, other])
        assert sender.probe().sequence == 1
        with Sender(("127.0.0.1", other.port)) as second:
            assert second.probe().sequence == 0
        running.update([one])
        assert sender.probe().sequence == 2
        assert running.addresses() == (("127.0.0.1", one.port),)


def test_a_place_that_cannot_be_had_is_refused_alone_and_tried_again():
    one = spec()
    with (
        reflector(one) as running,
        Sender(running.addresses()[0]) as sender,
        Sender(sender.to) as holder,
    ):
        taken = spec(port=holder.sock.getsockname()[1])
        running.update([one, spec(), taken])
        assert ["already in use" in text.en for text in running.refused()] == [True]
        assert len(running.addresses()) == 2
        assert sender.probe().sequence == 0
        holder.sock.close()
        running.update([one, taken])
        assert running.refused() == ()
        assert running.addresses()[1][1] == taken.port
        assert sender.probe().sequence == 1
