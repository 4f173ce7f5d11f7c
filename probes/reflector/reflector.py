"""The STAMP Session-Reflector (RFC 8762 §4.3): a thread that answers batches of requests.

Stateful: replies are numbered per session, so that the sender can tell forward from backward
loss. T2 is the kernel's RX timestamp. T3 is read just before the system call that sends, so it
is always a little early; when a reply truly left is known only afterwards, and is told in the
session's next reply to senders that ask with a Follow-Up Telemetry TLV (RFC 8972 §4.7). To others
the Error Estimate tells how early T3 may be.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields

import msgspec
import numpy as np

from foundation.clock import Clock, SystemClock
from foundation.errors import IsochroneError, ResourceError
from foundation.text import Text
from probes.reflector.admission import PeerFilter
from probes.reflector.answering import Answering
from probes.reflector.context import Context
from probes.reflector.counters import ReflectorCounters
from probes.reflector.listening import Listener, open_reflector_socket
from probes.reflector.reflection import Reflection
from probes.reflector.sender_keys import SenderKeys
from probes.reflector.short_requests import ShortRequests
from probes.reflector.spec import ReflectorSpec
from probes.sockets.obstacles import explaining_obstacles, lacks_ipv6, not_ours
from probes.sockets.routes import is_local
from probes.stamp.tlv import SYNC_NTP

DEFAULT_MAX_PACKETS_PER_S = 200_000.0


class Reflector:
    """Answers STAMP on a set of addresses until stopped.

    `own_clock_bound_ns` gives the bound on this clock's error, NaN while it is not synchronised
    (then replies say so: S = 0). With `hmac_key` only requests authenticated by it are answered;
    else `stamp_keys` are those of the senders that a place asks to authenticate themselves, by
    source address: any of a sender's keys will do, and without one it is not answered.
    `timestamp_shift_ns` moves T2, T3 and follow-up timestamps, as a wrong clock would (lab and
    tests). `sync_source` is what Timestamp Information says while the clock is synchronised. With
    `interface` only what comes by it is answered.

    The sockets are open once the constructor returns. Raises ConfigError for a bad peer, and where
    not one address can be had what refuses it: ConfigError, RightsError or ResourceError.
    """

    def __init__(
        self,
        listen: Sequence[ReflectorSpec],
        *,
        own_clock_bound_ns: Callable[[], float],
        hmac_key: bytes | None = None,
        stamp_keys: Mapping[str, tuple[bytes, ...]] | None = None,
        timestamp_shift_ns: int = 0,
        max_packets_per_s: float = DEFAULT_MAX_PACKETS_PER_S,
        max_packets_per_s_per_source: float | None = None,
        clock: Clock | None = None,
        sync_source: int = SYNC_NTP,
        interface: str = "",
    ) -> None:
        self._interface = interface
        self._hmac_key = hmac_key
        self._reflection = Reflection(sync_source=sync_source)
        self._counts = dict.fromkeys((field.name for field in fields(ReflectorCounters)), 0)
        self._context = Context(
            clock=clock or SystemClock(),
            own_clock_bound_ns=own_clock_bound_ns,
            counts=self._counts,
            shift_ns=timestamp_shift_ns,
        )
        self._answering = Answering(self._context, self._reflection)
        self._limits: tuple[float, float | None] | None = None
        self.limit(max_packets_per_s, max_packets_per_s_per_source)
        self._numbers = 0
        self._lock = threading.Lock()  # held while a round is served or the listeners change
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        # Not epoll, which would have the kernel call for every reply that leaves: that takes its
        # time between the reply's timestamp and the wire.
        self._poll = select.poll()
        self._poll.register(self._wake, select.POLLIN)
        self._listeners: dict[int, Listener] = {}
        self._refused: dict[tuple[str, int], IsochroneError] = {}
        self._without_ipv6: dict[tuple[str, int], IsochroneError] = {}
        self._stopping = False
        self._thread: threading.Thread | None = None
        try:
            self.update(listen, stamp_keys)
            if self._refused and not self._listeners:
                raise next(iter(self._refused.values()))
        except IsochroneError:
            self.stop()
            raise

    def start(self) -> None:
        """Begin to answer, in its own thread."""
        self._thread = threading.Thread(target=self._run, name="stamp-reflector", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and close the sockets. May be called twice."""
        if self._stopping:
            return
        self._stopping = True
        os.eventfd_write(self._wake, 1)
        if self._thread is not None:
            self._thread.join()
        for listener in self._listeners.values():
            self._counts["overflowed"] += listener.socket.drops()
            listener.socket.close()
        self._listeners = {}
        os.close(self._wake)

    def update(
        self,
        listen: Sequence[ReflectorSpec],
        stamp_keys: Mapping[str, tuple[bytes, ...]] | None = None,
    ) -> None:
        """Answer on these addresses from now on; sockets and sessions that stay are untouched.

        An address that cannot be had is refused alone (`refused`), and tried again with every
        update. Raises ConfigError for a bad peer, before anything is changed.
        """
        keys = SenderKeys(stamp_keys or {}, self._hmac_key)
        with self._lock:
            old = {(item.spec.address, item.spec.port): item for item in self._listeners.values()}
            wanted = {(spec.address, spec.port): spec for spec in listen}
            for spec in listen:  # before anything is changed
                PeerFilter((*spec.peers, *(spec.authenticated or ())))
            opened: list[Listener] = []
            self._refused = {}
            for place in (place for place in wanted if place not in old):
                try:
                    with explaining_obstacles(socket.AF_UNSPEC, None):
                        opened.append(self._open(wanted[place], keys, wanted))
                except IsochroneError as error:
                    self._refused[place] = error
            self._without_ipv6 = {
                place: error for place, error in self._without_ipv6.items() if place in wanted
            }
            for place, listener in old.items():
                if place in wanted:
                    listener.admit(wanted[place], keys)
                else:
                    self._poll.unregister(listener.socket.fileno())
                    del self._listeners[listener.socket.fileno()]
                    self._counts["overflowed"] += listener.socket.drops()
                    listener.socket.close()
            for listener in opened:
                self._listeners[listener.socket.fileno()] = listener
                self._poll.register(listener.socket.fileno(), select.POLLIN)
            os.eventfd_write(self._wake, 1)  # a poll that is under way does not know of them
            own_port = np.zeros(1 << 16, np.bool_)
            own_port[[listener.port for listener in self._listeners.values()]] = True
            self._answering.screening.own_port = own_port

    def _open(
        self, spec: ReflectorSpec, keys: SenderKeys, places: Iterable[tuple[str, int]]
    ) -> Listener:
        """Open one address; ``::`` takes IPv4 too where no IPv4 place has its port, and is IPv4
        alone where the kernel has no IPv6. Raises IsochroneError."""
        v4_ports = {port for address, port in places if ":" not in address}
        both = spec.address == "::" and spec.port not in v4_ports
        try:
            sock = open_reflector_socket(spec, both_families=both, interface=self._interface)
        except ResourceError as error:
            if not both or not lacks_ipv6(error):
                raise
            v4 = msgspec.structs.replace(spec, address="0.0.0.0")  # noqa: S104 - as was asked
            sock = open_reflector_socket(v4, interface=self._interface)
            self._without_ipv6[spec.address, spec.port] = error
        self._numbers += 1
        number = self._numbers & 0xFFFF
        return Listener(
            spec,
            keys,
            number,
            self._answering.rings,
            self._reflection.sessions,
            self._context,
            sock=sock,
        )

    def refused(self) -> tuple[Text, ...]:
        """Return why there are places where it does not answer, or not in all that was asked."""
        with self._lock:
            places = [item.spec.address for item in self._listeners.values()]
            errors = [*self._refused.values(), *self._without_ipv6.values()]
        gone = [not_ours(address) for address in dict.fromkeys(places) if not is_local(address)]
        return tuple(dict.fromkeys(error.text for error in (*errors, *gone)))

    def answers_at(self) -> frozenset[tuple[str, int]]:
        """Return the addresses and ports, as requested, at which requests arrive and are answered.

        None once the thread has ended, by a bug or a stop.
        """
        if not self.is_running():
            return frozenset()
        with self._lock:
            places = [(item.spec.address, item.spec.port) for item in self._listeners.values()]
        return frozenset(place for place in places if is_local(place[0]))

    def limit(self, per_s: float, per_s_per_source: float | None) -> None:
        """Answer at most so many packets per second from now on, in all and of each source."""
        if (per_s, per_s_per_source) != self._limits:
            self._limits = (per_s, per_s_per_source)
            self._answering.screening.limit(per_s, per_s_per_source)

    def shift_timestamps(self, shift_ns: int) -> None:
        """Move all timestamps from now on, as a clock that steps would (lab and tests)."""
        self._context.shift_ns = shift_ns

    def is_running(self) -> bool:
        """Tell whether the answering thread is alive (False before start, and after a bug)."""
        return self._thread is not None and self._thread.is_alive()

    def counters(self) -> ReflectorCounters:
        """Return what was received and answered so far."""
        with self._lock:
            overflowed = sum(item.socket.drops() for item in self._listeners.values())
        counts = self._counts | {"sessions": self._reflection.sessions.count}
        counts["overflowed"] += overflowed  # beside those of sockets that are closed
        return ReflectorCounters(**counts)

    def short_requests(self) -> ShortRequests:
        """Return which requests were too short to be answered so far."""
        return self._answering.screening.short

    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Return the bound (address, port) pairs."""
        with self._lock:
            names = [item.socket.sock.getsockname() for item in self._listeners.values()]
        return tuple((str(name[0]), int(name[1])) for name in names)

    def _run(self) -> None:
        while True:
            ready = self._poll.poll()
            if self._stopping:
                return
            for descriptor, _ in ready:
                if descriptor == self._wake:
                    os.eventfd_read(descriptor)
                    continue
                with self._lock:
                    listener = self._listeners.get(descriptor)
                    if listener is not None:
                        self._answering.serve(listener)
