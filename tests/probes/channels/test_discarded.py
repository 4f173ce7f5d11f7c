"""Answers that arrive and are of no use: each is counted, and tells why its probe is lost."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from engine_run import Run, assert_every_probe_has_one_outcome, spec
from patience import finish, give_up, wait_until

from probes.channels.discarded import DISCARDED, not_sent_causes, reason_of
from probes.window import NOT_SENT

pytestmark = pytest.mark.network
_ECHO_REPLY = 0


class Responder:
    """Answers UDP on one loopback address with what `spoil` makes of a reply, from `sender`."""

    def __init__(self, spoil: Callable[[bytes], bytes], sender: str) -> None:
        self._spoil = spoil
        self.sock, self._sender = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ab")
        self.sock.bind(("127.0.0.2", 0))
        self.port = self.sock.getsockname()[1]
        self.answered = 0
        if sender != "127.0.0.2":
            self._sender.bind((sender, self.port))
        self._from = self.sock if sender == "127.0.0.2" else self._sender
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            request, peer = self.sock.recvfrom(2048)
            if not request:
                return
            reply = bytearray(request.ljust(44, b"\0"))
            reply[24:38], reply[4:24] = request[:14], bytes(20)
            self._from.sendto(self._spoil(bytes(reply)), peer)
            self.answered += 1

    def stop(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self.sock.getsockname())
        self._thread.join()
        self.sock.close()
        self._sender.close()


@pytest.fixture
def responder() -> Iterator[Callable[..., Responder]]:
    made: list[Responder] = []

    def make(spoil: Callable[[bytes], bytes], sender: str = "127.0.0.2") -> Responder:
        made.append(Responder(spoil, sender))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def discarded_of(run: Run, count: int) -> dict[str, int]:
    """Let a run lose `count` probes, and return why answers to them did not count."""
    run.engine.start()
    wait_until(lambda: sum(run.engine.health().discarded.values()) >= count)
    give_up(run.engine)
    finish(run.engine)
    assert_every_probe_has_one_outcome(run)
    assert run.total("received") == 0
    assert run.total("discarded") == run.total("sent") == count
    cause = run.column("cause")
    told = [DISCARDED[reason] for reason in reason_of(cause).tolist()]
    assert (cause < 0).all()
    return {reason: told.count(reason) for reason in set(told)}


@pytest.mark.parametrize("length", [0, 20, 30])
def test_truncated_replies_are_counted(responder, length: int) -> None:
    there = responder(lambda reply: reply[:length])
    run = Run(spec("udp", "127.0.0.2", port=there.port), probes=5)
    assert discarded_of(run, 5) == {"truncated": 5}
    assert run.engine.health().discarded == {"truncated": 5}


def test_replies_from_another_address_of_the_target_are_counted(responder) -> None:
    there = responder(lambda reply: reply, "127.0.0.3")
    run = Run(spec("udp", "127.0.0.2", port=there.port), probes=5)
    assert discarded_of(run, 5) == {"other_address": 5}


def test_another_address_is_told_where_several_targets_are_probed_at_once(responder) -> None:
    there = responder(lambda reply: reply, "127.0.0.3")
    silent = [spec("udp", f"127.0.0.{n}", stream_id=n, port=there.port) for n in (7, 8, 9)]
    run = Run(spec("udp", "127.0.0.2", port=there.port), *silent, probes=5)
    run.engine.start()
    wait_until(lambda: run.engine.health().discarded.get("other_address") == 5)
    give_up(run.engine)
    finish(run.engine)
    assert run.total("discarded", 1) == 5
    assert run.total("discarded") == 5


@pytest.mark.parametrize(
    "answer",
    [lambda reply: reply[24:38].ljust(64, b"\0"), lambda reply: bytes(64)],
    ids=["the probe itself", "zeros"],
)
def test_what_repeats_nothing_of_a_probe_is_counted(responder, answer) -> None:
    there = responder(answer)
    run = Run(spec("udp", "127.0.0.2", port=there.port), probes=5)
    assert discarded_of(run, 5) == {"altered": 5}


def test_altered_answers_of_a_reflector_that_has_repeated_a_probe_are_counted(responder) -> None:
    """Who has once repeated number and timestamp is held to both: what lacks one is forged."""
    honest = [True]

    def spoil(reply: bytes) -> bytes:
        whole = reply if honest else reply[:28] + bytes([reply[28] ^ 1]) + reply[29:]
        honest.clear()
        return whole

    there = responder(spoil)
    run = Run(spec("udp", "127.0.0.2", port=there.port, interval_ms=20.0), probes=5)
    run.engine.start()
    wait_until(lambda: run.engine.health().discarded.get("altered", 0) >= 4)
    give_up(run.engine)
    finish(run.engine)
    assert run.engine.health().discarded == {"altered": 4}
    assert (run.total("received"), run.total("discarded")) == (1, 4)


def test_answers_that_come_when_nobody_waits_any_more_are_counted(small_reflector) -> None:
    there = small_reflector(hold=lambda number: number <= 5)
    run = Run(spec("udp", port=there.port, interval_ms=20.0), probes=None)
    run.engine.start()
    wait_until(lambda: len(there.held) >= 5)
    give_up(run.engine)
    wait_until(lambda: run.total("lost_unknown") + run.total("lost_backward") >= 5)
    there.release()
    wait_until(lambda: run.engine.health().discarded.get("too_late", 0) >= 5)
    run.engine.stop(wait_for_replies=False)


def test_probes_that_are_forgotten_while_answers_may_come_are_no_losses(
    small_reflector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room is for as many as fly at the stream's pace; a machine that stood still sends closer."""
    monkeypatch.setattr("probes.engine.roster.closest_gap_ns", lambda _: 1e15)
    there = small_reflector(hold=lambda number: True)
    run = Run(spec("udp", port=there.port), probes=60)
    run.engine.start()
    wait_until(lambda: run.engine.health().probes_sent == 60)
    room = 60 - run.engine.health().unread
    assert 8 <= room <= 16
    give_up(run.engine)
    finish(run.engine)
    assert_every_probe_has_one_outcome(run)
    assert (run.total("sent"), run.total("unread")) == (60, 60 - room)
    assert run.total("lost_unknown") + run.total("lost_backward") == room


def answer_echoes(hosts, spoil: Callable[[bytearray], None], sender: str) -> None:
    """Answer echo requests in namespace b for as long as they come, in place of its kernel."""
    hosts.sh_in(hosts.b, "sysctl", "-q", "net.ipv4.icmp_echo_ignore_all=1")
    hosts.sh_in(hosts.b, "ip", "address", "add", "10.99.0.3/24", "dev", "v")
    ready = threading.Event()

    def run() -> None:
        with hosts.inside(hosts.b), contextlib.ExitStack() as stack:
            hear = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            say = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            stack.callback(hear.close)
            stack.callback(say.close)
            say.bind((sender, 0))
            hear.settimeout(60)
            ready.set()
            for _ in range(5):
                request, peer = hear.recvfrom(2048)
                packet = bytearray(request[20:])
                packet[0], packet[2:4] = _ECHO_REPLY, bytes(2)
                total = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
                total = (total & 0xFFFF) + (total >> 16)
                packet[2:4] = struct.pack("!H", 0xFFFF - ((total & 0xFFFF) + (total >> 16)))
                say.sendto(spoil(packet) or packet, peer)

    threading.Thread(target=run, daemon=True).start()
    assert ready.wait(60)


def _cut(packet: bytearray) -> bytes:
    short = packet[:16]
    short[2:4] = bytes(2)
    total = sum(struct.unpack("!8H", short))
    total = (total & 0xFFFF) + (total >> 16)
    short[2:4] = struct.pack("!H", 0xFFFF - ((total & 0xFFFF) + (total >> 16)))
    return bytes(short)


def _flip(packet: bytearray) -> bytes:
    packet[-1] ^= 1
    return bytes(packet)


@pytest.mark.parametrize(
    ("spoil", "sender", "reason"),
    [
        (_cut, "10.99.0.2", "truncated"),
        (_flip, "10.99.0.2", "checksum"),
        (bytes, "10.99.0.3", "other_address"),
    ],
)
def test_echo_replies_of_no_use_are_counted(
    two_hosts, needs_raw_sockets, spoil: Callable[[bytearray], bytes], sender: str, reason: str
) -> None:
    answer_echoes(two_hosts, spoil, sender)
    with two_hosts.inside(two_hosts.a):
        run = Run(spec("icmp", "10.99.0.2"), probes=5)
        assert discarded_of(run, 5) == {reason: 5}


def test_every_errno_of_a_probe_that_never_left_has_its_cause() -> None:
    told = {
        errno.EPERM: "firewall",
        errno.ENETUNREACH: "no_route",
        errno.ENODEV: "interface",
        errno.ENOBUFS: "queue",
        errno.EMSGSIZE: "too_big",
        errno.EMFILE: "other",
        4_000: "other",
    }
    assert [NOT_SENT[cause] for cause in not_sent_causes(np.array(list(told)))] == [*told.values()]
