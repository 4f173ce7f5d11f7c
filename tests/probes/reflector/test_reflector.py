"""The reflector on real sockets over loopback."""

import contextlib
import itertools
import math
import os
import socket
import time

import msgspec
import numpy as np
import pytest

from probes.errors import ConfigError, ResourceError, RightsError
from probes.exchange import ReflectorSpec
from probes.reflector.departures import Lag
from probes.reflector.reflector import Reflector
from probes.stamp import packet as stamp
from probes.stamp import tlv as stamp_tlv
from probes.stamp.packet import SenderPacket
from probes.stamp.timestamps import (
    decode_error_estimate,
    encode_error_estimate,
    ntp64_to_wall_ns,
    wall_ns_to_ntp64,
)

pytestmark = pytest.mark.network

KEY = bytes(range(32))
SHIFT_NS = 1_000_000_000_000
_given: set[int] = set()


def free_port(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((host, 0))
            port = sock.getsockname()[1]
        if port not in _given:  # the kernel may well name the same one twice
            _given.add(port)
            return port


def spec(host="127.0.0.1", peers=("127.0.0.0/8", "::1"), port=None):
    return ReflectorSpec(address=host, port=port or free_port(host), peers=peers)


@contextlib.contextmanager
def reflector(*specs, bound_ns=50_000.0, **options):
    running = Reflector(specs or [spec()], own_clock_bound_ns=lambda: bound_ns, **options)
    running.start()
    try:
        yield running
    finally:
        running.stop()


class Sender:
    """A plain socket that asks and waits; the kernel's queues make every wait bounded."""

    def __init__(self, to, host="127.0.0.1"):
        self.family = socket.AF_INET6 if ":" in to[0] else socket.AF_INET
        self.sock = socket.socket(self.family, socket.SOCK_DGRAM)
        self.sock.bind(("::1" if self.family == socket.AF_INET6 else host, 0))
        self.sock.settimeout(60)  # a hang, not slowness
        self.to = to

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def exchange(self, octets):
        self.sock.sendto(octets, self.to)
        return self.sock.recv(65_536)

    def is_not_answered(self, octets, then, key=None):
        """Send `octets`, then a request that is answered; True if only that one was."""
        self.sock.sendto(octets, self.to)
        self.sock.sendto(then, self.to)
        first = stamp.decode_reflector(self.sock.recv(65_536), key)
        return first.sender_sequence == int.from_bytes(then[:4], "big")

    def probe(self, sequence=0, *, ssid=0, tlvs=(), key=None, t1_ns=None):
        reply = self.exchange(request(sequence, ssid=ssid, tlvs=tlvs, key=key, t1_ns=t1_ns))
        return stamp.decode_reflector(reply, key)


def request(sequence=0, *, ssid=0, tlvs=(), key=None, t1_ns=None):
    packet = SenderPacket(
        sequence=sequence,
        t1=wall_ns_to_ntp64(time.time_ns() if t1_ns is None else t1_ns),
        error_estimate=0x8EC8,
        ssid=ssid,
        rest=stamp_tlv.encode_tlvs(tlvs),
    )
    return stamp.encode_sender(packet, key)


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


def test_strangers_are_refused():
    with reflector(spec(peers=("127.0.0.1",))) as running:
        to = running.addresses()[0]
        with Sender(to) as friend, Sender(to, host="127.0.0.9") as stranger:
            stranger.sock.sendto(request(1), to)
            friend.probe(2)
            stranger.sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                stranger.sock.recv(100)
    counters = running.counters()
    assert (counters.refused, counters.reflected) == (1, 1)


def test_no_peers_let_nobody_in():
    with reflector(spec(peers=())) as running, Sender(running.addresses()[0]) as sender:
        sender.sock.sendto(request(), sender.to)
        running.update([spec(port=sender.to[1])])
        assert sender.probe(3).sender_sequence in (0, 3)


def test_two_reflectors_never_answer_each_other():
    with reflector(spec(), spec()) as running:
        one, other = running.addresses()
        with Sender(one) as sender:
            sender.probe()
        # As an attacker would: a request to one that seems to come from the other.
        held = next(
            item for item in running._listeners.values() if item.port == other[1]
        ).socket.sock
        held.sendto(request(), one)
        with Sender(one) as sender:
            sender.probe()
    counters = running.counters()
    assert (counters.refused, counters.reflected) == (1, 2)


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


def test_other_tlvs_are_answered_and_unknown_ones_say_so():
    asked = [
        stamp_tlv.DirectMeasurement(41).to_tlv(),
        stamp_tlv.FollowUpTelemetry().to_tlv(),
        stamp_tlv.ClassOfService.of(asked=46).to_tlv(),
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


def test_a_shift_moves_every_stamp_of_the_reflector():
    follow_up = [stamp_tlv.FollowUpTelemetry().to_tlv()]
    with reflector(stamp_shift_ns=SHIFT_NS) as running, Sender(running.addresses()[0]) as sender:
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


def test_an_update_that_fails_changes_nothing():
    one = spec()
    with (
        reflector(one) as running,
        Sender(running.addresses()[0]) as sender,
        Sender(sender.to) as holder,
    ):
        taken = spec(port=holder.sock.getsockname()[1])
        with pytest.raises(ResourceError, match="already in use"):
            running.update([one, spec(), taken])
        assert len(running.addresses()) == 1
        assert sender.probe().sequence == 0


def test_garbage_stays_within_the_rate_limit_and_the_memory():
    rate_per_s = 20.0
    generator = np.random.default_rng(862)
    garbage = [generator.bytes(int(length)) for length in generator.integers(0, 1500, 4_000)]
    with reflector(max_packets_per_s=rate_per_s) as running:
        to = running.addresses()[0]
        running._reflection.sessions.limit = 300
        began = time.monotonic()
        with Sender(to) as sender:
            for octets in garbage:
                sender.sock.sendto(octets, to)
        with Sender(to) as last:
            last.sock.settimeout(0.05)
            while time.monotonic() < began + 60:  # until there is room for one more
                with contextlib.suppress(TimeoutError):
                    last.probe(1)
                    break
        lasted_s = time.monotonic() - began
    counters = running.counters()
    assert counters.limited > 0
    assert counters.reflected <= rate_per_s * (lasted_s + 0.1) + 1
    assert counters.sessions <= 300


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


OLD = bytes(range(1, 33))
BOUND = {"127.0.0.2": (KEY, OLD), "127.0.0.3": (bytes(32),)}


def bound_place(**more):
    return msgspec.structs.replace(spec(**more), authenticated=("127.0.0.2", "127.0.0.3"))


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


def test_a_port_in_use_says_what_to_do():
    with (
        Sender(("127.0.0.1", 9)) as holder,
        pytest.raises(ResourceError, match="choose another port") as caught,
    ):
        Reflector([spec(port=holder.sock.getsockname()[1])], own_clock_bound_ns=lambda: 0.0)
    assert "改用其他端口" in caught.value.text.zh


def test_an_address_that_is_not_ours_says_so():
    with pytest.raises(ResourceError, match="not an address of this machine"):
        Reflector([spec("192.0.2.1", port=8620)], own_clock_bound_ns=lambda: 0.0)


@pytest.mark.parametrize("bad", [{"address": "nowhere"}, {"peers": ("10.0.0.0/40",)}])
def test_a_bad_address_or_peer_is_named(bad):
    fields = {"address": "127.0.0.1", "port": 8620, "peers": ()} | bad
    with pytest.raises(ConfigError, match=r"nowhere|10\.0\.0\.0/40"):
        Reflector([ReflectorSpec(**fields)], own_clock_bound_ns=lambda: 0.0)


def test_a_low_port_without_the_right_says_which_right(monkeypatch):
    def refuse(self, where):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)  # root may always bind
    with pytest.raises(RightsError, match="ip_unprivileged_port_start=862"):
        Reflector([spec("127.0.0.1", port=862)], own_clock_bound_ns=lambda: 0.0)


def test_the_lag_of_t3_is_the_longest_of_late_and_forgotten_in_time():
    lag = Lag()
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


def test_the_ipv6_wildcard_answers_both_families():
    with reflector(spec("::")) as running:
        port = running.addresses()[0][1]
        for host in ("127.0.0.1", "::1"):
            with Sender((host, port)) as sender:
                assert sender.probe(4).sender_ttl == 64


def test_both_wildcards_may_be_listed_side_by_side():
    port = free_port("::")
    with reflector(spec("::", port=port), spec("0.0.0.0", port=port)):
        for host in ("127.0.0.1", "::1"):
            with Sender((host, port)) as sender:
                assert sender.probe(4).sender_sequence == 4


@pytest.mark.parametrize("bound", ["0.0.0.0", "::"])
@pytest.mark.parametrize("asked", ["127.0.0.1", "127.0.0.77", "127.9.9.9"])
def test_a_reflector_bound_to_every_address_answers_from_the_one_that_was_asked(bound, asked):
    with reflector(spec(bound)) as running, Sender((asked, running.addresses()[0][1])) as sender:
        sender.sock.connect((asked, running.addresses()[0][1]))  # hears nobody else
        assert stamp.decode_reflector(sender.exchange(request(3))).sender_sequence == 3


def test_open_reflector_sends_nothing_longer_than_it_was_asked():
    everybody = ReflectorSpec(
        address="127.0.0.1", port=free_port("127.0.0.1"), peers=("0.0.0.0/0",)
    )
    with reflector(everybody) as running, Sender(running.addresses()[0]) as sender:
        assert sender.is_not_answered(request(1)[:43], then=request(2))
        assert len(sender.exchange(request(3))) == 44
        counters = running.counters()
    assert (counters.growing, counters.reflected) == (1, 2)


def test_loud_source_is_limited_and_takes_nothing_from_others():
    limits = {"max_packets_per_s": 1000.0, "max_packets_per_s_per_source": 0.1}
    with reflector(spec(), **limits) as running:
        to = running.addresses()[0]
        with Sender(to) as loud, Sender(to, host="127.0.0.2") as quiet:
            for number in range(50):
                loud.sock.sendto(request(number), to)
            assert quiet.probe(1).sequence == 0
        counters = running.counters()
    assert counters.limited_by_source >= 40
    assert counters.received == counters.reflected + counters.limited_by_source
    assert counters.limited == 0
