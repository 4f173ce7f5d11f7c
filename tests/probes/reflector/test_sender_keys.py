"""Authenticated requests on loopback: who has to sign, under which keys, and what is replayed."""

import contextlib
import time

import msgspec
import pytest
from asking import KEY, Sender, reflector, request, spec
from patience import wait_until

from probes.reflector.reflector import Reflector
from probes.stamp import packet as stamp
from probes.stamp import tlv as stamp_tlv
from probes.stamp.packet import SenderPacket

pytestmark = pytest.mark.network
OLD = bytes(range(1, 33))
BOUND = {"127.0.0.2": (KEY, OLD), "127.0.0.3": (bytes(32),)}


def bound_place(**more):
    return msgspec.structs.replace(spec(**more), authenticated=("127.0.0.2", "127.0.0.3"))


def test_an_authenticated_session_is_answered_under_the_same_key():
    tlvs = [stamp_tlv.FollowUpTelemetry().to_tlv()]
    with reflector(hmac_key=KEY) as running, Sender(running.addresses()[0]) as sender:
        for sequence in range(3):
            chain = [*tlvs, stamp_tlv.hmac_tlv(KEY, sequence, tlvs)]
            reply = sender.probe(sequence, key=KEY, tlvs=chain, ssid=4)
            answer = stamp_tlv.decode_tlvs(reply.rest)
            assert (reply.sequence, reply.ssid) == (sequence, 4)
            assert stamp_tlv.check_tlvs(answer, KEY, sequence, required=True)
    assert stamp_tlv.FollowUpTelemetry.from_tlv(answer[0]).sequence == 1


@pytest.mark.parametrize("octet", [0, 3, 17, 50, 95, 96, 104, 111])
def test_one_flipped_bit_is_not_answered(octet):
    changed = bytearray(request(5, key=KEY))
    changed[octet] ^= 0x10
    with reflector(hmac_key=KEY) as running, Sender(running.addresses()[0]) as sender:
        assert sender.is_not_answered(bytes(changed), request(6, key=KEY), KEY)
    assert running.counters().forged == 1


def test_authenticated_mode_does_not_answer_open_requests():
    with reflector(hmac_key=KEY) as running, Sender(running.addresses()[0]) as sender:
        assert sender.is_not_answered(request(1), request(2, key=KEY), KEY)
    assert running.counters().forged == 1


def test_a_recorded_request_is_not_answered_again():
    recorded = request(1, key=KEY)
    with reflector(hmac_key=KEY) as running, Sender(running.addresses()[0]) as sender:
        assert len(sender.exchange(recorded)) == 112
        assert sender.is_not_answered(recorded, request(2, key=KEY), KEY)
        assert sender.probe(0, key=KEY).sender_sequence == 0  # late, within the window
        for sequence in (500, 0):  # the sender began again: a time nobody else can sign
            assert sender.probe(sequence, key=KEY).sender_sequence == sequence
    assert running.counters().replayed == 1


def test_each_sender_has_its_own_keys_and_others_may_ask_without():
    with reflector(bound_place(), stamp_keys=BOUND) as running:
        to = running.addresses()[0]
        with Sender(to, "127.0.0.2") as two, Sender(to, "127.0.0.3") as three, Sender(to) as free:
            for key in (KEY, OLD):
                reply = two.exchange(request(1, key=key))  # answered under the key it came under
                assert stamp.decode_reflector(reply, key).sender_sequence == 1
            assert three.probe(1, key=bytes(32)).sender_sequence == 1
            assert free.probe(1).sender_sequence == 1
            # Another's key, no key, and what is too short for one.
            for octets in (request(2, key=bytes(32)), request(2).ljust(112, b"\0"), request(2)):
                assert two.is_not_answered(octets, request(3, key=KEY), KEY)
            two.probe(4, key=KEY)
    counters = running.counters()
    assert (counters.forged, counters.refused, counters.malformed) == (3, 0, 0)
    assert counters.received == counters.reflected + counters.forged


def padding(size):
    return stamp_tlv.Tlv(type=stamp_tlv.EXTRA_PADDING, value=bytes(size))


def test_batch_of_free_and_bound_senders_is_answered_to_each_in_order():
    with contextlib.ExitStack() as stack:
        running = Reflector(
            [bound_place()], own_clock_bound_ns=lambda: 0.0, stamp_keys=BOUND
        )  # not started: they queue
        stack.callback(running.stop)
        to = running.addresses()[0]
        free = stack.enter_context(Sender(to))
        bound = stack.enter_context(Sender(to, "127.0.0.2"))
        for sequence in range(100):
            free.sock.sendto(request(sequence, tlvs=[padding(sequence)]), to)
            bound.sock.sendto(request(sequence, key=KEY), to)
        running.start()
        for sequence in range(100):
            reply = stamp.decode_reflector(free.sock.recv(400))
            assert (reply.sender_sequence, reply.sequence) == (sequence, sequence)
            assert len(reply.rest) == 4 + sequence
            reply = stamp.decode_reflector(bound.sock.recv(400), KEY)
            assert (reply.sender_sequence, reply.sequence) == (sequence, sequence)
    assert running.counters().reflected == 200


def test_sender_without_a_key_yet_is_not_answered_and_is_not_let_down_to_none():
    place = bound_place()
    with reflector(place) as running:
        to = running.addresses()[0]
        with Sender(to, "127.0.0.2") as bound, Sender(to) as free:
            bound.sock.sendto(request(1), to)
            bound.sock.sendto(request(1, key=KEY), to)
            free.probe(1)
            running.update([place], BOUND)
            assert bound.probe(2, key=KEY).sender_sequence == 2
    assert running.counters().forged == 2


def test_known_bound_senders_are_answered_one_by_one_and_judged_as_among_many():
    place = bound_place()
    with (
        reflector(place, stamp_keys=BOUND) as running,
        Sender((place.address, place.port), "127.0.0.2") as two,
        Sender((place.address, place.port)) as free,
    ):
        for sequence in range(3):  # both are known from the second on, side by side
            assert two.probe(sequence, ssid=7, key=KEY).sequence == sequence
            assert free.probe(sequence, ssid=7).sequence == sequence
        malformed = SenderPacket(  # PTP, with more nanoseconds than a second has
            sequence=9, t1=0xFFFF_FFFF, error_estimate=0x4001, ssid=7
        )
        for octets in (
            request(3, ssid=7, key=bytes(32)),
            request(3, ssid=7),
            stamp.encode_sender(malformed, KEY),
        ):
            assert two.is_not_answered(octets, request(4, ssid=7, key=KEY), KEY)
        assert two.probe(5, ssid=7, key=OLD, t1_ns=time.time_ns()).ssid == 7
        running.update([place], {"127.0.0.2": (KEY,)})  # the old key has ended
        assert two.is_not_answered(request(6, ssid=7, key=OLD), request(7, ssid=7, key=KEY), KEY)
    counters = running.counters()
    assert (counters.forged, counters.malformed, counters.replayed) == (3, 1, 0)


def test_known_sender_that_becomes_bound_is_no_longer_answered_without_a_key():
    with reflector() as running, Sender(running.addresses()[0], "127.0.0.2") as sender:
        for sequence in range(3):  # known by now
            sender.probe(sequence)
        running.update([bound_place(port=sender.to[1])], BOUND)
        assert sender.is_not_answered(request(4), request(5, key=KEY), KEY)


def test_recorded_request_of_the_key_before_is_not_answered_again():
    recorded = request(1, key=OLD)
    place = bound_place()
    with (
        reflector(place, stamp_keys=BOUND) as running,
        Sender((place.address, place.port), "127.0.0.2") as sender,
    ):
        assert len(sender.exchange(recorded)) == 112
        assert len(sender.exchange(request(2, key=KEY))) == 112
        assert sender.is_not_answered(recorded, request(3, key=KEY), KEY)
    assert running.counters().replayed == 1


def test_a_wrong_hmac_tlv_sets_i_and_the_packet_is_still_reflected():
    information = stamp_tlv.TimestampInformation().to_tlv()
    chain = [information, stamp_tlv.hmac_tlv(b"another key", 0, [information])]
    with reflector(hmac_key=KEY) as running, Sender(running.addresses()[0]) as sender:
        reply = sender.probe(0, key=KEY, tlvs=chain)
    assert [tlv.failed for tlv in stamp_tlv.decode_tlvs(reply.rest)] == [True, True]


@pytest.mark.parametrize("ports", [1, 50])
def test_forged_requests_take_nothing_from_the_limit_of_the_peer_they_name(ports):
    limits = {"max_packets_per_s_per_source": 0.1, "max_packets_per_s": 20.0}  # bursts of 1 and 2
    with (
        reflector(bound_place(), stamp_keys=BOUND, **limits) as running,
        contextlib.ExitStack() as stack,
    ):
        to = running.addresses()[0]
        forgers = [stack.enter_context(Sender(to, host="127.0.0.2")) for _ in range(ports)]
        for number in range(200):
            wrong = KEY[::-1] if number % 2 else None
            forgers[number % ports].sock.sendto(request(number, key=wrong), to)
        with Sender(to, host="127.0.0.2") as true:
            assert true.probe(1, key=KEY).sequence == 0
        counters = running.counters()
    assert (counters.forged, counters.reflected) == (200, 1)
    assert counters.received == 201


@pytest.mark.parametrize("ports", [1, 50])
def test_who_holds_the_key_is_limited_all_the_same(ports):
    limits = {"max_packets_per_s_per_source": 0.1, "max_packets_per_s": 20.0}
    with (
        reflector(bound_place(), stamp_keys=BOUND, **limits) as running,
        contextlib.ExitStack() as stack,
    ):
        to = running.addresses()[0]
        senders = [stack.enter_context(Sender(to, host="127.0.0.2")) for _ in range(ports)]
        for number in range(200):
            senders[number % ports].sock.sendto(request(number, key=KEY), to)
        wait_until(lambda: running.counters().received == 200)
        counters = running.counters()
    assert (
        counters.reflected == 200 - counters.limited_by_source < 10
    )  # a machine that stands still
