"""Reflectors of other makers: a reply that matches is a reply, whatever else it says."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from engine_run import Run, assert_every_probe_has_one_outcome, spec
from hypothesis import given
from hypothesis import strategies as st

from agent.measuring.engine_conditions import nonconforming_replies
from probes.stamp.nonconforming import COSTLY, NONCONFORMITIES, remarks

PROBES = 20
Change = Callable[[bytearray], bytes | bytearray]
UNIX_TO_NTP_S = 2_208_988_800


def sound_reply(request: bytes) -> bytearray:
    """The reply of a stateless reflector that does all as RFC 8762 §4.3.1 says, and no TLV."""
    seconds, ns = divmod(time.time_ns(), 1_000_000_000)
    now = ((seconds + UNIX_TO_NTP_S) << 32 | (ns << 32) // 1_000_000_000).to_bytes(8, "big")
    reply = bytearray(max(len(request), 44))
    reply[: len(request)] = request
    reply[4:12] = reply[16:24] = now
    reply[12:14] = b"\x8e\xc8"
    reply[24:38] = request[:14]
    reply[38:44] = bytes([0, 0, 255, 0, 0, 0])
    return reply


@contextlib.contextmanager
def foreign_reflector(change: Change) -> Iterator[int]:
    """Answer on a port of loopback until the end, with replies that `change` has gone over."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def answer() -> None:
            while True:
                request, sender = sock.recvfrom(2048)
                if not request:
                    return
                sock.sendto(change(sound_reply(request)), sender)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"", sock.getsockname())
            thread.join()


def setting(place: int, octets: bytes) -> Change:
    def change(reply: bytearray) -> bytearray:
        reply[place : place + len(octets)] = octets
        return reply

    return change


def shifted(place: int, seconds: int) -> Change:
    """Move a timestamp by whole seconds."""

    def change(reply: bytearray) -> bytearray:
        (timestamp,) = struct.unpack_from("!I", reply, place)
        struct.pack_into("!I", reply, place, (timestamp + seconds) & 0xFFFF_FFFF)
        return reply

    return change


def both(*changes: Change) -> Change:
    def change(reply: bytearray) -> bytes | bytearray:
        for each in changes:
            reply = bytearray(each(reply))
        return reply

    return change


CHANGES: dict[str, tuple[Change, str | None]] = {
    "as it should be": (lambda reply: reply, None),
    "Z over NTP timestamps": (setting(12, b"\xce\xc8"), "timestamps"),
    "seconds since 1970": (
        both(shifted(4, -UNIX_TO_NTP_S), shifted(16, -UNIX_TO_NTP_S)),
        "timestamps",
    ),
    "no arrival": (setting(16, bytes(8)), "timestamps"),
    "all bits of T3": (setting(4, b"\xff" * 8), "timestamps"),
    "left before it arrived": (shifted(16, 5), "order"),
    "stayed longer than the round trip": (shifted(4, 5), "order"),
    "a clock that lies": (both(shifted(4, 37), shifted(16, 37)), "clock"),
    "no error estimate": (setting(12, bytes(2)), "error_estimate"),
    "octets 14 and 15 not zero": (setting(14, b"\xbe\xef"), "ssid"),
    "timestamp not repeated": (setting(28, bytes(8)), "echo"),
    "number not repeated": (setting(24, b"\xff\xff\xff\xff"), "echo"),
    "number in another order of octets": (
        lambda reply: bytes(reply[:24]) + bytes(reply[24:28])[::-1] + bytes(reply[28:]),
        "echo",
    ),
    "error estimate not repeated": (setting(36, bytes(2)), None),
    "TTL 0": (setting(40, b"\0"), "ttl"),
    "octets that must be zero": (setting(38, b"\x12\x34"), "reserved"),
    "malformed extension": (setting(44, b"\x40\x07\x00\x10"), "tlvs"),
    "extension of another length": (setting(46, b"\xff\xff"), "tlvs"),
    "TWAMP Light without MBZ and TTL": (lambda reply: reply[:38], "layout"),
    "TWAMP Light without padding": (lambda reply: reply[:41], "layout"),
    "padding of its own": (lambda reply: reply + bytes(200), "layout"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_reply_that_matches_is_a_reply_and_what_is_odd_is_counted(name: str) -> None:
    change, kind = CHANGES[name]
    with foreign_reflector(change) as port:
        probed = spec("udp", port=port, payload_bytes=64)
        run = Run(probed, probes=PROBES, own_clock_bound_ns=lambda: 1e6).finish()
        odd = run.engine.nonconforming_replies()
    assert (run.total("sent"), run.total("received")) == (PROBES, PROBES)
    assert_every_probe_has_one_outcome(run)
    assert odd == ({} if kind is None else {probed: {kind: PROBES}})
    round_trip, forward = run.column("rtt_ns"), run.column("forward_ns")
    assert (round_trip > 0).all()
    assert (round_trip < 30e9).all()
    assert np.isnan(forward).all() == (kind in ("timestamps", "order"))


def test_reflector_that_once_repeated_the_timestamp_is_held_to_it() -> None:
    count = 0

    def change(reply: bytearray) -> bytearray:
        nonlocal count
        count += 1
        return reply if count == 1 else setting(28, bytes(8))(reply)  # from now on a forger's

    with foreign_reflector(change) as port:
        probed = spec("udp", port=port, timeout_ms=100.0, interval_ms=20.0)
        run = Run(probed, probes=5).finish()
    assert (run.total("sent"), run.total("received")) == (5, 1)
    assert run.engine.nonconforming_replies() == {}


@given(st.binary(min_size=0, max_size=24), st.binary(min_size=0, max_size=200))
def test_whatever_stands_around_number_and_timestamp_the_reply_is_counted(
    head: bytes, tail: bytes
) -> None:
    def change(reply: bytearray) -> bytes:
        filled = head.ljust(24, b"\xa5")
        return filled + bytes(reply[24:36]) + tail

    with foreign_reflector(change) as port:
        run = Run(spec("udp", port=port), probes=2).finish()
    assert run.total("received") == 2
    assert (run.column("rtt_ns") > 0).all()


def test_every_kind_has_its_sentence_in_both_languages() -> None:
    told = [remark.text for remark in remarks(dict.fromkeys(NONCONFORMITIES, 3))]
    assert (
        len({text.en for text in told}) == len({text.zh for text in told}) == len(NONCONFORMITIES)
    )
    assert all("3" in text.en and "{targets}" in text.zh for text in told)


@pytest.mark.parametrize(("kind", "severity"), [("timestamps", "warning"), ("layout", "info")])
def test_agent_tells_of_odd_reflectors_by_place_and_kind(kind: str, severity: str) -> None:
    streams = {spec("udp", f"192.0.2.{host}", port=862): {kind: host} for host in range(1, 6)}
    condition = nonconforming_replies(streams)
    assert condition is not None
    assert condition.severity == severity
    assert (severity == "warning") == (kind in COSTLY)
    assert f"192.0.2.1 ({kind} 1)" in condition.text.en
    assert "2 more" in condition.text.en
    assert nonconforming_replies({}) is None
