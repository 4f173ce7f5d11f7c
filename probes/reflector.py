"""The STAMP Session-Reflector (RFC 8762 §4.3): a thread that answers batches of requests.

Stateful: replies are numbered per session, so that the sender can tell forward from backward
loss. T2 is the kernel's receive stamp. T3 is read just before the system call that sends, so it
is always a little early; when a reply truly left is known only afterwards, and is told in the
session's next reply to senders that ask with a Follow-Up Telemetry TLV (RFC 8972 §4.7). To others
the Error Estimate tells how early T3 may be.
"""

from __future__ import annotations

import math
import os
import select
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from probes.admission import PeerFilter, SourceLimit, TokenBucket, parse_prefix
from probes.batch import BatchSocket, Received, Rings
from probes.clock import Clock, SystemClock
from probes.errors import IsochroneError
from probes.exchange import ReflectorSpec
from probes.listening import open_reflector_socket
from probes.reflection import Departures, Lag, Reflection, Replies, Requests
from probes.sessions import Sources, read_sources
from probes.stamp_batch import BASE_BYTES, write_transmit_time
from probes.stamp_tlv import SYNC_NTP
from probes.timestamps import encode_error_estimate

DEFAULT_MAX_PACKETS_PER_S = 200_000.0
MAX_PACKET_BYTES = 9216  # jumbo frames; longer requests are counted malformed
_ROW_BYTES = 9280  # 145 cache lines: rows that do not all fall into one set of the cache
_BATCH = 512
_ROUNDS = 16  # batches of one socket before the others have their turn
_ESTIMATE_AGE_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectorCounters:
    """Packets since the start.

    received = reflected + refused + malformed + growing + limited_by_source + limited + forged
    + replayed + unsent. `overflowed` never got that far: the receive buffer was full. `refused`:
    no peer of ours; `growing`: the reply would be longer than the request, and everybody may ask;
    `limited_by_source`, `limited`: over the rate of one source, of all; `forged`: wrong HMAC;
    `unsent`: the system did not take the reply. `sessions` is how many are remembered now.
    """

    received: int = 0
    reflected: int = 0
    refused: int = 0
    malformed: int = 0
    growing: int = 0
    limited_by_source: int = 0
    limited: int = 0
    forged: int = 0
    replayed: int = 0
    unsent: int = 0
    overflowed: int = 0
    sessions: int = 0


class _Listener:
    """One bound address, who may ask there, and its replies that are leaving."""

    def __init__(
        self,
        spec: ReflectorSpec,
        number: int,
        rings: Rings,
        reflection: Reflection,
        *,
        both_families: bool,
    ) -> None:
        self.number = number
        self.admit(spec)
        self.everywhere = spec.address in ("0.0.0.0", "::")  # noqa: S104 - recognised, not bound
        self.socket = BatchSocket(
            open_reflector_socket(spec, both_families=both_families),
            rings=rings,
            stamps_on_request=True,
            tells_destination=self.everywhere,
        )
        self.port = int(self.socket.sock.getsockname()[1])
        self.departures = Departures(reflection.sessions)
        self.lag = Lag()
        self.estimates = (0, 0)  # Error Estimates with follow-up and without
        self.estimates_until_ns, self.told_lag_ns = -math.inf, 0

    def admit(self, spec: ReflectorSpec) -> None:
        """Answer the peers of `spec` from now on."""
        self.spec, self.peers = spec, PeerFilter(spec.peers)
        # Where everybody may ask, a forged sender must gain nothing: no reply longer than asked.
        is_open = any(parse_prefix(peer).prefixlen == 0 for peer in spec.peers)
        self.least_bytes = BASE_BYTES if is_open else 0


class Reflector:
    """Answers STAMP on a set of addresses until stopped.

    `own_clock_bound_ns` gives the bound on this clock's error, NaN while it is not synchronised
    (then replies say so: S = 0). With `hmac_key` only authenticated requests are answered.
    `stamp_shift_ns` moves T2, T3 and follow-up stamps, as a wrong clock would (lab and tests).
    `sync_source` is what Timestamp Information says while the clock is synchronised.

    The sockets are open once the constructor returns. Raises ConfigError for a bad peer or
    address, RightsError where the port needs a right we lack, ResourceError where it is in use.
    """

    def __init__(
        self,
        listen: Sequence[ReflectorSpec],
        *,
        own_clock_bound_ns: Callable[[], float],
        hmac_key: bytes | None = None,
        stamp_shift_ns: int = 0,
        max_packets_per_s: float = DEFAULT_MAX_PACKETS_PER_S,
        max_packets_per_s_per_source: float | None = None,
        clock: Clock | None = None,
        sync_source: int = SYNC_NTP,
    ) -> None:
        self._own_clock_bound_ns = own_clock_bound_ns
        self._shift_ns = stamp_shift_ns
        self._clock = clock or SystemClock()
        self._reflection = Reflection(hmac_key=hmac_key, sync_source=sync_source)
        self._limits: tuple[float, float | None] | None = None
        self._bucket: TokenBucket
        self._by_source: SourceLimit | None
        self.limit(max_packets_per_s, max_packets_per_s_per_source)
        self._rings = Rings.of(_BATCH, _ROW_BYTES)
        self._counts = dict.fromkeys((field.name for field in fields(ReflectorCounters)), 0)
        self._numbers = 0
        self._lock = threading.Lock()  # held while a round is served or the listeners change
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll = select.epoll()
        self._epoll.register(self._wake, select.EPOLLIN)
        self._listeners: dict[int, _Listener] = {}
        self._own_port = np.zeros(1 << 16, np.bool_)  # by number: is it one of ours
        self._stopping = False
        self._thread: threading.Thread | None = None
        try:
            self.update(listen)
        except IsochroneError:
            self.stop()
            raise

    def start(self) -> None:
        """Begin to answer, in a thread of its own."""
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
        self._epoll.close()
        os.close(self._wake)

    def update(self, listen: Sequence[ReflectorSpec]) -> None:
        """Answer on these addresses from now on; sockets and sessions that stay are untouched.

        Where one of them cannot be opened nothing is changed and its error is raised.
        """
        with self._lock:
            old = {(item.spec.address, item.spec.port): item for item in self._listeners.values()}
            wanted = {(spec.address, spec.port): spec for spec in listen}
            for spec in listen:  # before anything is changed
                PeerFilter(spec.peers)
            opened = self._open_all(
                [spec for place, spec in wanted.items() if place not in old], tuple(wanted)
            )
            for place, listener in old.items():
                if place in wanted:
                    listener.admit(wanted[place])
                else:
                    self._epoll.unregister(listener.socket.fileno())
                    del self._listeners[listener.socket.fileno()]
                    self._counts["overflowed"] += listener.socket.drops()
                    listener.socket.close()
            for listener in opened:
                self._listeners[listener.socket.fileno()] = listener
                self._epoll.register(listener.socket.fileno(), select.EPOLLIN)
            own_port = np.zeros(1 << 16, np.bool_)
            own_port[[listener.port for listener in self._listeners.values()]] = True
            self._own_port = own_port

    def _open_all(
        self, specs: Sequence[ReflectorSpec], places: Sequence[tuple[str, int]]
    ) -> list[_Listener]:
        """Open every address, or none; ``::`` takes IPv4 too where no IPv4 place has its port."""
        v4_ports = {port for address, port in places if ":" not in address}
        opened: list[_Listener] = []
        try:
            for spec in specs:
                self._numbers += 1
                listener = _Listener(
                    spec,
                    self._numbers & 0xFFFF,
                    self._rings,
                    self._reflection,
                    both_families=spec.address == "::" and spec.port not in v4_ports,
                )
                opened.append(listener)
        except IsochroneError:
            for listener in opened:
                listener.socket.close()
            raise
        return opened

    def limit(self, per_s: float, per_s_per_source: float | None) -> None:
        """Answer at most so many packets a second from now on, in all and of each source."""
        if (per_s, per_s_per_source) != self._limits:
            self._limits = (per_s, per_s_per_source)
            self._bucket = TokenBucket(per_s)
            self._by_source = None if per_s_per_source is None else SourceLimit(per_s_per_source)

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

    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Return the bound (address, port) pairs."""
        with self._lock:
            names = [item.socket.sock.getsockname() for item in self._listeners.values()]
        return tuple((str(name[0]), int(name[1])) for name in names)

    def _run(self) -> None:
        while True:
            ready = self._epoll.poll()
            if self._stopping:
                return
            for descriptor, _ in ready:
                with self._lock:
                    listener = self._listeners.get(descriptor)
                    if listener is not None:
                        self._serve(listener)

    def _serve(self, listener: _Listener) -> None:
        """Answer what has arrived at one socket, at most `_ROUNDS` batches of it."""
        for _ in range(_ROUNDS):
            received = listener.socket.receive()
            if len(received):
                self._answer(listener, received)
            self._collect_departures(listener)
            if len(received) < _BATCH:
                return

    def _answer(self, listener: _Listener, received: Received) -> None:
        now_ns = self._clock.monotonic_ns()
        counts = self._counts
        counts["received"] += len(received)
        sound = ~received.truncated & (received.length >= self._reflection.least_bytes)
        counts["malformed"] += int(np.count_nonzero(~sound))
        sources = read_sources(received.address)
        # Two reflectors must never answer each other: a spoofed packet would circle for ever.
        allowed = listener.peers.allows(sources) & ~self._own_port[sources.port]
        counts["refused"] += int(np.count_nonzero(sound & ~allowed))
        row = self._within_limits(
            listener, np.flatnonzero(sound & allowed), received.length, sources, now_ns
        )
        granted = len(row)
        if not granted:
            return
        send = self._rings.send
        width = max(112, int(received.length[row].max()))
        send.payload[:granted, :width] = received.payload[row, :width]
        requests = Requests(
            packet=send.payload[:granted, :width],
            length=received.length[row],
            sources=sources.take(row),
            receive_wall_ns=received.stamp_ns[row] + self._shift_ns,
            ttl=received.ttl[row],
        )
        begun_wall_ns = self._clock.wall_ns()
        estimate, uncorrected = self._error_estimates(listener, now_ns)
        replies = self._reflection.answer(
            requests,
            local=listener.number,
            now_ns=now_ns,
            wall_ns=self._wall_ns,
            error_estimate=estimate,
            uncorrected_estimate=uncorrected,
        )
        counts["malformed"] += replies.malformed
        counts["forged"] += replies.forged
        counts["replayed"] += replies.replayed
        answered = row[replies.request]
        send.address[: len(answered)] = received.address[answered]
        # Bound to no address, a reply would leave from that of the route back, not the one asked.
        source = received.destination[answered] if listener.everywhere else None
        self._send(listener, replies, source, begun_wall_ns)

    def _within_limits(
        self,
        listener: _Listener,
        row: NDArray[np.intp],
        length: NDArray[np.int64],
        sources: Sources,
        now_ns: int,
    ) -> NDArray[np.intp]:
        """Return which of these requests are answered; a loud source takes from no other."""
        counts = self._counts
        if listener.least_bytes:
            long = length[row] >= listener.least_bytes
            counts["growing"] += int(np.count_nonzero(~long))
            row = row[long]
        if self._by_source is not None and len(row):
            granted = self._by_source.grants(sources.take(row), now_ns)
            counts["limited_by_source"] += int(np.count_nonzero(~granted))
            row = row[granted]
        taken = self._bucket.take(len(row), now_ns)
        counts["limited"] += len(row) - taken
        return row[:taken]

    def _send(
        self,
        listener: _Listener,
        replies: Replies,
        source: NDArray[np.uint8] | None,
        begun_wall_ns: int,
    ) -> None:
        count = len(replies.length)
        if not count:
            return
        send = self._rings.send
        send.length[:count] = replies.length
        packet = send.payload[:count]
        read_ns = begun_wall_ns  # under an HMAC T3 was written then, or soon after

        def write_t3() -> None:
            nonlocal read_ns
            if self._reflection.late_stamps:
                read_ns = self._clock.wall_ns()
                write_transmit_time(packet, read_ns + self._shift_ns)

        # Stamps cost as much as sending; only these are read: follow-ups, and one for the lag.
        stamped = np.zeros(count, np.bool_)
        stamped[-1] = True
        stamped[replies.tracked] = True
        result = listener.socket.send(count, write_t3, stamped=stamped, source=source)
        listener.lag.sent(int(result.key[-1]), read_ns)
        unsent = int(np.count_nonzero(result.error))
        self._counts["unsent"] += unsent
        self._counts["reflected"] += count - unsent
        if len(replies.tracked):
            key = result.key[replies.tracked]
            listener.departures.expect(key, replies.slot, replies.sequence)

    def _collect_departures(self, listener: _Listener) -> None:
        """Empty the error queue (undrained it eats the receive buffer) into the sessions."""
        while len(stamps := listener.socket.transmit_stamps()):
            listener.departures.left(stamps.key, stamps.stamp_ns + self._shift_ns)
            listener.lag.left(stamps.key, stamps.stamp_ns)

    def _wall_ns(self) -> int:
        return self._clock.wall_ns() + self._shift_ns

    def _error_estimates(self, listener: _Listener, now_ns: int) -> tuple[int, int]:
        """Return the Error Estimates of replies with follow-up and without, made each second."""
        lag_ns = listener.lag.worst_ns
        if now_ns >= listener.estimates_until_ns or lag_ns > listener.told_lag_ns:
            bound_ns = self._own_clock_bound_ns()
            exact, early = encode_error_estimate(bound_ns), encode_error_estimate(bound_ns + lag_ns)
            listener.estimates, listener.told_lag_ns = (exact, early), lag_ns
            listener.lag.age()
            listener.estimates_until_ns = now_ns + _ESTIMATE_AGE_NS
        return listener.estimates
