"""STAMP where neither kernel timestamps nor batch calls are to be had: plain asyncio datagrams.

The same codec over asyncio-dgram, needing no right and nothing of Linux. Its timestamps are taken
in user space, so they carry the event loop's own delays (tens of microseconds idle, milliseconds
when the machine is busy): results are labelled so, and one-way figures are as good as that.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import asyncio_dgram

from foundation.clock import Clock, SystemClock
from foundation.errors import ConfigError, RemoteProtocolError, ResourceError, RightsError
from foundation.reasons import reason_of
from probes.reflector.context import Context
from probes.reflector.counters import ReflectorCounters
from probes.reflector.portable_responder import Datagram, PortableResponder
from probes.reflector.responder import Responder
from probes.reflector.spec import ReflectorSpec
from probes.stamp import packet as stamp
from probes.stamp.timestamps import encode_error_estimate, wall_ns_to_ntp64

TIMESTAMPING = "user"  # as in probes.window.TIMESTAMPING


@dataclass(frozen=True, slots=True, kw_only=True)
class PortableResult:
    """One probe's outcome. The delays are None where no reply came within the timeout.

    `rtt_ns` excludes the reflector's residence (T3 − T2); it is measured on the monotonic scale.
    `forward_ns` and `backward_ns` hold both clocks' errors and may be negative.
    """

    sequence: int
    sent_wall_ns: int
    rtt_ns: int | None = None
    forward_ns: int | None = None
    backward_ns: int | None = None
    reflector_sequence: int | None = None
    sender_ttl: int | None = None
    timestamping: str = TIMESTAMPING


class PortableSender:
    """A Session-Sender to one reflector; several probes may be in flight.

    An asynchronous context manager. `own_clock_bound_ns` is our clock's bound, NaN if unknown.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        ssid: int = 0,
        hmac_key: bytes | None = None,
        own_clock_bound_ns: float = math.nan,
        clock: Clock | None = None,
    ) -> None:
        self._where = (host, port)
        self._ssid = ssid
        self._key = hmac_key
        self._estimate = encode_error_estimate(own_clock_bound_ns)
        self._clock = clock or SystemClock()
        self._next = 0
        self._waiting: dict[int, asyncio.Future[tuple[stamp.ReflectorPacket, int, int]]] = {}
        self._stream: Any = None  # asyncio_dgram is untyped
        self._group: asyncio.TaskGroup | None = None
        self._reader: asyncio.Task[None] | None = None
        self.malformed = 0

    async def __aenter__(self) -> PortableSender:
        try:
            self._stream = await asyncio_dgram.connect(self._where)
        except OSError as error:
            host, port = self._where
            raise ResourceError(
                f"No socket to {host} port {port} could be opened: {error.strerror}.",
                f"无法打开到 {host} 端口 {port} 的套接字：{reason_of(error).zh}。",
                host=host,
                port=port,
            ) from error
        self._group = await asyncio.TaskGroup().__aenter__()
        self._reader = self._group.create_task(self._read(), name="portable-sender")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._reader is not None
        assert self._group is not None
        self._reader.cancel()
        await self._group.__aexit__(None, None, None)
        self._stream.close()

    async def probe(self, *, size: int | None = None, timeout_s: float = 3.0) -> PortableResult:
        """Send one request of `size` octets (absent: the base packet) and wait for its reply.

        A lost probe is a result without delays. Raises ConfigError for a size below the base
        packet.
        """
        least = stamp.BASE_BYTES if self._key is None else stamp.AUTHENTICATED_BYTES
        size = least if size is None else size
        if size < least:
            raise ConfigError(
                f"a STAMP packet has at least {least} octets, not {size}",
                f"STAMP 报文至少 {least} 字节，而不是 {size} 字节",
                key="size",
            )
        sequence, self._next = self._next, (self._next + 1) & 0xFFFF_FFFF
        future = asyncio.get_running_loop().create_future()
        self._waiting[sequence] = future
        sent_wall_ns, sent_ns = self._clock.wall_ns(), self._clock.monotonic_ns()
        packet = stamp.SenderPacket(
            sequence=sequence,
            t1=wall_ns_to_ntp64(sent_wall_ns),
            error_estimate=self._estimate,
            ssid=self._ssid,
            rest=bytes(size - least),
        )
        try:
            # A refusal (ICMP port unreachable) of an earlier probe surfaces here: it is a loss.
            with contextlib.suppress(OSError):
                await self._stream.send(stamp.encode_sender(packet, self._key))
            reply, arrived_wall_ns, arrived_ns = await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            return PortableResult(sequence=sequence, sent_wall_ns=sent_wall_ns)
        finally:
            del self._waiting[sequence]
        residence_ns = reply.transmit_wall_ns - reply.receive_wall_ns
        return PortableResult(
            sequence=sequence,
            sent_wall_ns=sent_wall_ns,
            rtt_ns=arrived_ns - sent_ns - residence_ns,
            forward_ns=reply.receive_wall_ns - sent_wall_ns,
            backward_ns=arrived_wall_ns - reply.transmit_wall_ns,
            reflector_sequence=reply.sequence,
            sender_ttl=reply.sender_ttl,
        )

    async def _read(self) -> None:
        """Give each reply to the probe that waits for it; the first one counts."""
        while True:
            try:
                data, _ = await self._stream.recv()
            except OSError:
                continue  # told once, of an earlier packet; that probe will time out
            wall_ns, monotonic_ns = self._clock.wall_ns(), self._clock.monotonic_ns()
            try:
                reply = stamp.decode_reflector(data, self._key)
                _ = reply.receive_wall_ns, reply.transmit_wall_ns
            except RemoteProtocolError:
                self.malformed += 1
                continue
            future = self._waiting.get(reply.sender_sequence)
            if future is not None and not future.done():
                future.set_result((reply, wall_ns, monotonic_ns))


class PortableReflector:
    """A stateful Session-Reflector on one address; `run` answers until cancelled."""

    def __init__(
        self,
        spec: ReflectorSpec,
        *,
        own_clock_bound_ns: Callable[[], float],
        hmac_key: bytes | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._spec = spec
        self._context = Context(
            clock=clock or SystemClock(),
            own_clock_bound_ns=own_clock_bound_ns,
            counts=dict.fromkeys((field.name for field in fields(ReflectorCounters)), 0),
        )
        self._responder: Responder[Datagram] = PortableResponder(self._context, spec, hmac_key)
        self._stream: Any = None  # asyncio_dgram is untyped

    async def open(self) -> tuple[str, int]:
        """Bind, and return the address and port. Raises RightsError or ResourceError."""
        where = self._spec.address, self._spec.port
        try:
            self._stream = await asyncio_dgram.bind(where)
        except OSError as error:
            kind = RightsError if error.errno == errno.EACCES else ResourceError
            raise kind(
                f"Cannot listen on {where[0]} port {where[1]} ({error.strerror}); "
                "choose another address or a free port of 1024 or above.",
                f"无法监听 {where[0]} 端口 {where[1]}（{reason_of(error).zh}）；"
                "请改用其他地址，或 1024 及以上的空闲端口。",
                address=where[0],
                port=where[1],
            ) from error
        address, port = self._stream.sockname[:2]
        return str(address), int(port)

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()

    async def run(self) -> None:
        """Answer every request of a peer, one at a time."""
        while True:
            try:
                octets, source = await self._stream.recv()
                datagram = Datagram(octets, source, self._context.wall_ns())
                self._responder.respond(datagram)
                if datagram.reply is not None:
                    await self._stream.send(datagram.reply, source)
                    self._context.counts["reflected"] += 1
            except OSError:
                continue  # an ICMP error about an earlier reply

    def counters(self) -> ReflectorCounters:
        """Return what was received and answered so far."""
        return ReflectorCounters(**self._context.counts)
