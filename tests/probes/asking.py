"""A reflector on loopback, and a plain socket that asks it."""

import contextlib
import socket
import time

import msgspec

from probes.reflector.reflector import Reflector
from probes.reflector.spec import ReflectorSpec
from probes.stamp import packet as stamp
from probes.stamp import tlv as stamp_tlv
from probes.stamp.packet import SenderPacket
from probes.stamp.timestamps import wall_ns_to_ntp64

KEY = bytes(range(32))
OLD = bytes(range(1, 33))
BOUND = {"127.0.0.2": (KEY, OLD), "127.0.0.3": (bytes(32),)}  # who has to sign, and with what
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


def authenticated_place(**more):
    """A place where two senders have to sign, and others may ask as they like."""
    return msgspec.structs.replace(spec(**more), authenticated=tuple(BOUND))


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
