"""Whatever has arrived is answered as columns: to each what is his, in order."""

import contextlib
from collections.abc import Iterator

import pytest
from asking import BOUND, KEY, Sender, authenticated_place, request
from reflector_parts import OneListener

from probes.reflector.listening import FEW
from probes.reflector.reflector import Reflector
from probes.stamp import packet as stamp
from probes.stamp import tlv as stamp_tlv

pytestmark = pytest.mark.network


def padding(size):
    return stamp_tlv.Tlv(type=stamp_tlv.EXTRA_PADDING, value=bytes(size))


def test_batch_of_free_and_bound_senders_is_answered_to_each_in_order():
    with contextlib.ExitStack() as stack:
        running = Reflector(
            [authenticated_place()], own_clock_bound_ns=lambda: 0.0, stamp_keys=BOUND
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


@pytest.fixture
def here() -> Iterator[OneListener]:
    """A listener whose packets are served by hand."""
    made = OneListener(stamp_keys=BOUND, authenticated=tuple(BOUND))
    yield made
    made.close()


def test_everything_that_arrived_is_counted_once(here: OneListener) -> None:
    counts = here.counts
    with Sender(here.to) as free, Sender(here.to, "127.0.0.2") as bound:
        signed = request(1, key=KEY)
        for sender, octets in (
            (free, request(1)),
            (free, request(2)[:13]),  # malformed
            (bound, signed),
            (bound, signed),  # replayed
            (bound, request(2, key=bytes(32))),  # forged
            (bound, request(3)),  # too short for a digest
        ):
            sender.sock.sendto(octets, here.to)
        assert here.serve(here.batch)
        assert stamp.decode_reflector(free.sock.recv(2048)).sender_sequence == 1
        assert stamp.decode_reflector(bound.sock.recv(2048), KEY).sender_sequence == 1
    told = {name: count for name, count in counts.items() if count}
    assert told == {"received": 6, "reflected": 2, "malformed": 1, "replayed": 1, "forged": 2}


def test_replies_differ_in_length_and_reach_their_senders(here: OneListener) -> None:
    sizes = (0, 300, 4, 1200)
    with contextlib.ExitStack() as stack:
        senders = [stack.enter_context(Sender(here.to)) for _ in sizes]
        for number, (sender, size) in enumerate(zip(senders, sizes, strict=True)):
            sender.sock.sendto(request(number, tlvs=[padding(size)]), here.to)
        assert here.serve(here.batch)
        for number, (sender, size) in enumerate(zip(senders, sizes, strict=True)):
            reply = sender.sock.recv(2048)
            assert len(reply) == 44 + 4 + size
            assert stamp.decode_reflector(reply).sender_sequence == number


def test_departures_are_read_of_those_that_ask_and_of_one_for_the_lag(here: OneListener) -> None:
    follow_up = [stamp_tlv.FollowUpTelemetry().to_tlv()]
    with Sender(here.to) as sender:
        for number in range(50):
            tlvs = follow_up if number in (7, 9) else ()
            sender.sock.sendto(request(number, tlvs=tlvs), here.to)
        arrived = 0
        while arrived < 50:
            assert here.serve(here.batch)
            arrived += here.listener.arrived
            here.listener.collect_timestamps()
        assert here.listener.lag.worst_ns >= 0
        sender.sock.sendto(request(50, tlvs=follow_up), here.to)
        here.serve(here.batch)
        for _ in range(50):
            sender.sock.recv(2048)
        (tlv,) = stamp_tlv.decode_tlvs(stamp.decode_reflector(sender.sock.recv(2048)).rest)
    assert stamp_tlv.FollowUpTelemetry.from_tlv(tlv).sequence in (7, 9)


def test_senders_of_few_requests_are_known_from_then_on_and_of_many_are_not(
    here: OneListener,
) -> None:
    with Sender(here.to) as few, Sender(here.to) as many:
        few.sock.sendto(request(1), here.to)
        assert not here.serve(here.few)  # which looks first, as in a running reflector
        here.batch.respond(here.listener)
        few.sock.sendto(request(2), here.to)
        assert here.serve(here.few)
        for number in range(FEW + 1):
            many.sock.sendto(request(number), here.to)
        assert not here.serve(here.few)
        here.batch.respond(here.listener)
        many.sock.sendto(request(99), here.to)
        assert not here.serve(here.few)
