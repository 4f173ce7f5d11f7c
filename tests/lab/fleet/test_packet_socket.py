"""Whole frames through a real veth pair: unchanged, numbered, and with the kernel's times."""

import pytest

from tests.lab.child_program import told_by

pytestmark = pytest.mark.network

HEAD = """
import json, select, time
from lab.fleet.networks import enter_hub, inside, make_sites
from lab.fleet.packet_socket import FrameReceiver, FrameSender
enter_hub()
(site,) = make_sites([("a", ["10.0.0.1"])])
link, WIDTH, CAPACITY = site.hub_interface, 256, 8
with inside(site):
    there = FrameReceiver(CAPACITY, WIDTH)
here, sender = FrameReceiver(CAPACITY, WIDTH), FrameSender(CAPACITY, WIDTH)
def frame(number, size):  # of a protocol for experiments (IEEE 802: 0x88B5), that nobody else sends
    octets = bytes.fromhex("020000000001") * 2 + bytes.fromhex("88b5") + bytes([number])
    return bytearray(octets.ljust(size, bytes([number])))
def taken(receiver):
    return [one for one in receiver.receive() if one.octets[12:14] == b"\\x88\\xb5"]
def all_of(count, receiver=there):
    found = []
    while len(found) < count and select.select([receiver], [], [], 60)[0]:
        found += taken(receiver)
    return found
def times(count):
    found, poll = [], select.poll()
    poll.register(sender.sock, select.POLLERR)
    while len(found) < count and poll.poll(60_000):
        found += sender.tx_timestamps()
    return found
"""
UNCHANGED = """
sent = [frame(number, size) for number, size in enumerate((60, 61, 255, 256))]
before = time.time_ns()
numbers = sender.send([(octets, link) for octets in sent])
found, left = all_of(4), times(4)
import socket
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as other:  # of the same namespace
    other.bind((socket.if_indextoname(link), 0))
    other.send(frame(9, 60))
all_of(1)
print(json.dumps({
    "numbers": numbers,
    "same": [one.octets == octets for one, octets in zip(found, sent, strict=True)],
    "left": [one.number for one in left],
    "in order": all(
        before <= gone.left_ns <= come.timestamp_ns <= time.time_ns()
        for gone, come in zip(left, found, strict=True)
    ),
    "own": len(taken(here)),
    "dropped": there.dropped(),
}))
"""
REFUSED = """
nowhere = 1_000_000
numbers = [sender.send([(frame(1, 60), link), (frame(2, 60), nowhere), (frame(3, 60), link)])]
first = [one.octets[14] for one in all_of(2)]
numbers.append(sender.send([(frame(4, 60), link), (frame(5, 60), link)]))
print(json.dumps({
    "numbers": numbers,
    "arrived": first + [one.octets[14] for one in all_of(2)],
    "left": [one.number for one in times(2)],
    "next": sender.sent,
}))
"""
BATCHES = """
for start in (0, CAPACITY):
    sender.send([(frame(start + number, 60), link) for number in range(CAPACITY)])
waiting = select.select([there], [], [], 60)[0]
first = taken(there)
rest = all_of(2 * CAPACITY - len(first))
print(json.dumps({
    "first": len(first),
    "all": [one.octets[14] for one in first + rest],
    "after": len(taken(there)),
}))
"""
LONG = """
with inside(site):
    small = FrameReceiver(CAPACITY, 100)
sender.send([(frame(1, 100), link), (frame(2, 101), link), (frame(3, 60), link)])
print(json.dumps([len(one.octets) for one in all_of(3, small)]))
"""
FULL = """
import socket
there.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # room for a few
there.dropped()
for _ in range(100):
    sender.send([(frame(1, 200), link)] * CAPACITY)
times(1)
kept = 0
while got := len(taken(there)):
    kept += got
print(json.dumps({"kept": kept, "dropped": there.dropped(), "again": there.dropped()}))
"""


def test_a_frame_arrives_as_it_was_sent_after_it_left(namespaces: None) -> None:
    assert told_by(HEAD + UNCHANGED) == {
        "numbers": [0, 1, 2, 3],
        "same": [True] * 4,
        "left": [0, 1, 2, 3],
        "in order": True,
        "own": 0,  # what this end sends does not come back to it
        "dropped": 0,
    }


def test_a_refused_frame_stops_no_other_and_shifts_no_number(namespaces: None) -> None:
    assert told_by(HEAD + REFUSED) == {
        "numbers": [[0, -1, 1], [2, 3]],
        "arrived": [1, 3, 4, 5],
        "left": [2, 3],  # those under way when one was refused are given up
        "next": 4,
    }


def test_a_batch_takes_what_it_holds_and_leaves_the_rest_for_the_next(namespaces: None) -> None:
    found = told_by(HEAD + BATCHES)
    assert 0 < found["first"] <= 8
    assert found["all"] == list(range(16))
    assert found["after"] == 0


def test_a_frame_that_is_too_long_is_cut_and_spoils_no_other(namespaces: None) -> None:
    assert told_by(HEAD + LONG) == [100, 100, 60]


def test_what_had_no_room_is_counted_once(namespaces: None) -> None:
    found = told_by(HEAD + FULL)
    assert found["kept"] > 0
    assert found["dropped"] > 0
    assert found["kept"] + found["dropped"] == 800
    assert found["again"] == 0
