"""The parts of a reflector without its thread: one listener on loopback, served by hand."""

from __future__ import annotations

import select
from dataclasses import fields

import numpy as np
from hand_clock import HandClock

from probes.addresses import pack_address
from probes.reflector.batch_responder import BatchResponder
from probes.reflector.context import Context, Estimates, Moment
from probes.reflector.counters import ReflectorCounters
from probes.reflector.few_responder import FewResponder
from probes.reflector.listening import Listener, open_reflector_socket
from probes.reflector.reflection import Reflection
from probes.reflector.requests import Requests
from probes.reflector.responder import Responder
from probes.reflector.screening import Screening
from probes.reflector.sender_keys import SenderKeys
from probes.reflector.sessions import Sources, read_sources
from probes.reflector.spec import ReflectorSpec
from probes.sockets.ring import Rings

T2_NS, T3_NS, NOW_NS = 1_700_000_000_125_000_000, 1_700_000_000_125_010_000, 77
MOMENT = Moment(local=1, now_ns=NOW_NS, wall_ns=lambda: T3_NS, estimates=Estimates(0x8F96, 0x95CD))
WIDTH = 1500


def counts() -> dict[str, int]:
    """Return counters that are at 0."""
    return dict.fromkeys((field.name for field in fields(ReflectorCounters)), 0)


def sources(*places: tuple[str, int]) -> Sources:
    """Return where packets came from, as hosts and ports."""
    return read_sources(np.stack([pack_address(host, port) for host, port in places]))


def requests(
    packets: list[bytes], *, of: Sources | None = None, ttl: int = 63, tos: int = 0
) -> Requests:
    """Return packets as requests: each from its own port, unless configured otherwise."""
    packet = np.full((len(packets), WIDTH), 0xAA, np.uint8)  # what was in the ring before
    for row, octets in enumerate(packets):
        packet[row, : len(octets)] = np.frombuffer(octets, np.uint8)
    return Requests(
        packet=packet,
        length=np.array([len(octets) for octets in packets]),
        sources=of or sources(*[("192.0.2.7", 40_000 + row) for row in range(len(packets))]),
        receive_wall_ns=np.full(len(packets), T2_NS),
        ttl=np.full(len(packets), ttl, np.uint8),
        tos=np.full(len(packets), tos, np.int16),
    )


class OneListener:
    """A listener on a port of the kernel's choice and both responders, which share all else."""

    def __init__(
        self,
        *,
        stamp_keys: dict[str, tuple[bytes, ...]] | None = None,
        authenticated: tuple[str, ...] = (),
        peers: tuple[str, ...] = ("127.0.0.0/8",),
        per_s: float = 100_000.0,
        per_s_per_source: float | None = None,
    ) -> None:
        self.clock, self.counts = HandClock(), counts()
        context = Context(clock=self.clock, own_clock_bound_ns=lambda: 50_000.0, counts=self.counts)
        self.reflection, self.rings = Reflection(), Rings.of(1024, 2048, in_place=True)
        self.screening = Screening(self.reflection.sessions, self.counts)
        self.screening.limit(per_s, per_s_per_source)
        # Port 0 is for tests alone: the plan's schema wants a real one.
        spec = ReflectorSpec(address="127.0.0.1", port=0, peers=peers, authenticated=authenticated)
        self.listener = Listener(
            spec,
            SenderKeys(stamp_keys or {}, None),
            1,
            self.rings,
            self.reflection.sessions,
            context,
            sock=open_reflector_socket(spec),
        )
        self.to = ("127.0.0.1", self.listener.port)
        self.few = FewResponder(context, self.screening, self.reflection)
        self.batch = BatchResponder(context, self.screening, self.reflection, self.rings)

    def serve(self, responder: Responder[Listener]) -> bool:
        """Wait for something to arrive, and let a responder have what did; see `respond`."""
        assert select.select([self.listener.socket.fileno()], [], [], 60)[0]
        self.listener.arrived = self.listener.socket.take_in()
        return responder.respond(self.listener)

    def close(self) -> None:
        """Close the socket."""
        self.listener.socket.close()
