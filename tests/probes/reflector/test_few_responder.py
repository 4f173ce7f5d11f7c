"""Few requests of known senders are answered one by one, and judged as among many."""

import contextlib
import time
from collections.abc import Iterator

import pytest
from asking import BOUND, KEY, OLD, Sender, authenticated_place, reflector, request
from reflector_parts import OneListener

from probes.reflector.listening import FEW
from probes.stamp import packet as stamp
from probes.stamp import tlv as stamp_tlv
from probes.stamp.packet import SenderPacket

pytestmark = pytest.mark.network


def test_known_bound_senders_are_answered_one_by_one_and_judged_as_among_many():
    place = authenticated_place()
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
        running.update([authenticated_place(port=sender.to[1])], BOUND)
        assert sender.is_not_answered(request(4), request(5, key=KEY), KEY)


def ready(here: OneListener, sender: Sender, sequence: int = 0, **how: object) -> bytes:
    """Let a sender be known: his first request is answered among many."""
    sender.sock.sendto(request(sequence, **how), here.to)
    assert not here.serve(here.few)
    assert here.counts["received"] == 0  # nothing has been done with it
    assert here.batch.respond(here.listener)
    return bytes(sender.sock.recv(2048))


@pytest.fixture
def here() -> Iterator[OneListener]:
    """A listener whose packets are served by hand."""
    made = OneListener(stamp_keys=BOUND, authenticated=tuple(BOUND))
    yield made
    made.close()


@pytest.mark.parametrize("key", [None, KEY])
def test_sender_is_answered_alone_once_he_is_known(here: OneListener, key: bytes | None) -> None:
    host = "127.0.0.1" if key is None else "127.0.0.2"
    with Sender(here.to, host) as sender:
        first = stamp.decode_reflector(ready(here, sender, key=key), key)
        sender.sock.sendto(request(1, key=key), here.to)
        assert here.serve(here.few)
        second = stamp.decode_reflector(sender.sock.recv(2048), key)
    assert (first.sequence, second.sequence, second.sender_sequence) == (0, 1, 1)
    assert here.counts["received"] == here.counts["reflected"] == 2


def test_one_stranger_among_them_leaves_all_to_the_other_responder(here: OneListener) -> None:
    with Sender(here.to) as known, Sender(here.to) as stranger:
        ready(here, known)
        for sender in (known, stranger):
            sender.sock.sendto(request(1), here.to)
        assert not here.serve(here.few)
        assert here.counts["received"] == 1
        assert here.batch.respond(here.listener)
        assert stamp.decode_reflector(known.sock.recv(2048)).sequence == 1
        assert stamp.decode_reflector(stranger.sock.recv(2048)).sequence == 0


def test_more_than_a_few_are_for_the_other_responder(here: OneListener) -> None:
    with Sender(here.to) as known:
        ready(here, known)
        for number in range(FEW + 1):
            known.sock.sendto(request(number), here.to)
        assert not here.serve(here.few)


@pytest.mark.parametrize(
    "tlv", [stamp_tlv.DirectMeasurement(1).to_tlv(), stamp_tlv.TimestampInformation().to_tlv()]
)
def test_request_that_needs_care_is_for_the_other_responder(
    here: OneListener, tlv: stamp_tlv.Tlv
) -> None:
    with Sender(here.to) as known:
        ready(here, known)
        known.sock.sendto(request(1, tlvs=[tlv]), here.to)
        assert not here.serve(here.few)


def test_sender_is_not_known_any_more_when_limits_are_set_anew(here: OneListener) -> None:
    """His bucket was one of the previous limits."""
    with Sender(here.to) as known:
        ready(here, known)
        here.screening.limit(1_000.0, 10.0)
        known.sock.sendto(request(1), here.to)
        assert not here.serve(here.few)


@pytest.mark.parametrize("per_source", [None, 10.0])
def test_limits_hold_for_the_known_too(per_source: float | None) -> None:
    here = OneListener(per_s=10.0 if per_source is None else 1_000.0, per_s_per_source=per_source)
    reason = "limited" if per_source is None else "limited_by_source"
    with contextlib.closing(here), Sender(here.to) as known:
        ready(here, known)
        for number in range(5):
            known.sock.sendto(request(number), here.to)
            assert here.serve(here.few)
    assert (here.counts["reflected"], here.counts[reason]) == (1, 5)
    assert here.counts["received"] == 6


def test_departure_of_a_reply_is_told_in_the_next_one(here: OneListener) -> None:
    follow_up = (stamp_tlv.FollowUpTelemetry().to_tlv(),)
    told = []
    with Sender(here.to) as known:
        ready(here, known, tlvs=follow_up)
        here.listener.collect_timestamps()
        for number in (1, 2):
            known.sock.sendto(request(number, tlvs=follow_up), here.to)
            assert here.serve(here.few)
            reply = stamp.decode_reflector(known.sock.recv(2048))
            (tlv,) = stamp_tlv.decode_tlvs(reply.rest)
            told.append(stamp_tlv.FollowUpTelemetry.from_tlv(tlv))
    assert [one.sequence for one in told] == [0, 1]
    assert all(one.timestamp for one in told)
