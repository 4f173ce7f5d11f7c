"""When replies left: told in the next one, and T3 that is never later."""

import itertools
import time

import numpy as np
import pytest
from asking import KEY, Sender, reflector, request

from probes.reflector.reply_timestamps import ReplyLag
from probes.stamp import packet as stamp
from probes.stamp import tlv as stamp_tlv
from probes.stamp.timestamps import (
    decode_error_estimate,
    encode_error_estimate,
    ntp64_to_wall_ns,
)

pytestmark = pytest.mark.network


def test_the_true_departure_of_a_reply_comes_in_the_next_one():
    follow_up = stamp_tlv.FollowUpTelemetry().to_tlv()
    with reflector() as running, Sender(running.addresses()[0]) as sender:
        replies = [sender.probe(number, tlvs=[follow_up]) for number in range(3)]
        arrived_ns = time.time_ns()
    told = [
        stamp_tlv.FollowUpTelemetry.from_tlv(stamp_tlv.decode_tlvs(reply.rest)[0])
        for reply in replies
    ]
    assert told[0] == stamp_tlv.FollowUpTelemetry()  # nothing had left yet
    assert [one.sequence for one in told[1:]] == [0, 1]
    for earlier, one in zip(replies, told[1:], strict=False):
        left_ns = ntp64_to_wall_ns(one.timestamp)
        assert earlier.transmit_wall_ns <= left_ns <= arrived_ns


def test_departures_of_replies_that_waited_together_are_told_without_delay():
    follow_up = stamp_tlv.FollowUpTelemetry().to_tlv()
    with reflector() as running, Sender(running.addresses()[0]) as sender:
        sender.probe(0, tlvs=[follow_up])  # known from now on
        with running._lock:  # it stands still, as on a busy machine
            for number in range(1, 9):
                sender.sock.sendto(request(number, tlvs=[follow_up]), sender.to)
        replies = [stamp.decode_reflector(sender.sock.recv(100)) for _ in range(8)]
        replies.append(sender.probe(9, tlvs=[follow_up]))
    told = [
        stamp_tlv.FollowUpTelemetry.from_tlv(stamp_tlv.decode_tlvs(reply.rest)[0]).sequence
        for reply in replies
    ]
    assert told == list(range(9))


def test_the_lag_of_t3_is_the_longest_of_late_and_forgotten_in_time():
    lag = ReplyLag()
    lag.age()
    lag.age()
    for number, late_ns in enumerate((30_000, 700_000, 40_000)):
        lag.sent(number, 1_000_000)
        lag.left(np.array([99, number], np.uint32), np.array([0, 1_000_000 + late_ns]))
        lag.left(np.array([number], np.uint32), np.array([9_000_000]))  # twice told is once learnt
    assert lag.worst_ns == 700_000
    lag.age()
    assert lag.worst_ns == 700_000
    lag.age()
    assert lag.worst_ns == 0


@pytest.mark.parametrize("key", [None, KEY])
def test_t3_is_never_later_than_the_departure_and_its_error_is_told(key):
    follow_up = stamp_tlv.FollowUpTelemetry().to_tlv()
    with reflector(hmac_key=key) as running, Sender(running.addresses()[0]) as sender:
        plain = [sender.probe(number, key=key) for number in range(20)]
        if key is None:
            told = [sender.probe(number, tlvs=[follow_up]) for number in range(20, 40)]
    for reply in plain:
        assert decode_error_estimate(reply.error_estimate).error_ns > 50_000 + 5_000
    if key is not None:
        return
    for reply, later in itertools.pairwise(told):
        assert reply.error_estimate == encode_error_estimate(50_000.0)
        left = stamp_tlv.FollowUpTelemetry.from_tlv(stamp_tlv.decode_tlvs(later.rest)[0])
        assert reply.transmit_wall_ns <= ntp64_to_wall_ns(left.timestamp)
