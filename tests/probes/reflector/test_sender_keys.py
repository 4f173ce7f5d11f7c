"""Authenticated requests on loopback: who has to sign, under which keys, and what is replayed."""

import contextlib

import pytest
from asking import BOUND, KEY, OLD, Sender, authenticated_place, reflector, request
from patience import wait_until

from probes.stamp import packet as stamp
from probes.stamp import tlv as stamp_tlv

pytestmark = pytest.mark.network


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


def test_each_sender_has_its_own_keys_and_others_may_ask_without():
    with reflector(authenticated_place(), stamp_keys=BOUND) as running:
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


def test_sender_without_a_key_yet_is_not_answered_and_is_not_let_down_to_none():
    place = authenticated_place()
    with reflector(place) as running:
        to = running.addresses()[0]
        with Sender(to, "127.0.0.2") as bound, Sender(to) as free:
            bound.sock.sendto(request(1), to)
            bound.sock.sendto(request(1, key=KEY), to)
            free.probe(1)
            running.update([place], BOUND)
            assert bound.probe(2, key=KEY).sender_sequence == 2
    assert running.counters().forged == 2


def test_recorded_request_of_the_key_before_is_not_answered_again():
    recorded = request(1, key=OLD)
    place = authenticated_place()
    with (
        reflector(place, stamp_keys=BOUND) as running,
        Sender((place.address, place.port), "127.0.0.2") as sender,
    ):
        assert len(sender.exchange(recorded)) == 112
        assert len(sender.exchange(request(2, key=KEY))) == 112
        assert sender.is_not_answered(recorded, request(3, key=KEY), KEY)
    assert running.counters().replayed == 1


@pytest.mark.parametrize("ports", [1, 50])
def test_forged_requests_take_nothing_from_the_limit_of_the_peer_they_name(ports):
    limits = {"max_packets_per_s_per_source": 0.1, "max_packets_per_s": 20.0}  # bursts of 1 and 2
    with (
        reflector(authenticated_place(), stamp_keys=BOUND, **limits) as running,
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
        reflector(authenticated_place(), stamp_keys=BOUND, **limits) as running,
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
