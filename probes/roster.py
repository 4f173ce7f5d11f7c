"""Which streams run, over which flows, through which channels.

Streams, sessions and channels are numbered in the order they came and keep their numbers; a stream
that is taken off the plan only stops sending, so that its probes in flight find their end.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from probes import tcp
from probes.batch import ADDRESS_BYTES, Rings, pack_address
from probes.channel import Channel, Codec, EchoCodec, StampCodec, SynCodec
from probes.errors import ConfigError, IsochroneError
from probes.exchange import Condition
from probes.ledger import Ledger
from probes.sockets import open_icmp, open_tcp, open_udp, source_address_to
from probes.stamp import AUTHENTICATED_BYTES
from probes.stamp_auth import AuthenticatedCodec
from probes.stamp_batch import BASE_BYTES
from probes.stream import STAMP_PORT, StreamSpec
from probes.text import Text

BATCH = 512  # packets to one system call
_HEADER_ROOM = 84  # IP header with options and ICMP header, beside the payload

ChannelKey = tuple[str, int, str | None, int, int, int, int]


class Roster:
    """Streams (`stream_ids` uint64[n], `specs`), their sessions and their channels.

    Session arrays: `channel_of` int64[m], `address` uint8[m, 28], `secret` uint64[m].
    """

    def __init__(
        self, ledger: Ledger, generator: np.random.Generator, hmac_key: bytes | None = None
    ) -> None:
        self.ledger = ledger
        self._hmac_key = hmac_key
        self.specs: list[StreamSpec] = []
        self.stream_ids = np.zeros(0, np.uint64)
        self.first_session = np.zeros(0, np.int64)
        self.flows = np.zeros(0, np.int64)
        self.sent = np.zeros(0, np.int64)  # probes so far: tells whose turn it is among the flows
        self.channel_of = np.zeros(0, np.int64)
        self.address = np.zeros((0, ADDRESS_BYTES), np.uint8)
        self.secret = np.zeros(0, np.uint64)
        self.channels: list[Channel] = []
        self._port = np.zeros(0, np.uint16)
        self._pseudo_sum = np.zeros(0, np.uint64)
        self._by_key: dict[ChannelKey, int] = {}
        self._alike: Counter[tuple[object, ...]] = Counter()
        self._rings: dict[int, Rings] = {}
        self._generator = generator

    def add(self, specs: Sequence[StreamSpec]) -> tuple[list[int], list[Condition]]:
        """Add streams; return the indices in `specs` of those that run, and why others do not."""
        accepted, conditions = [], []
        channels: list[int] = []
        addresses: list[NDArray[np.uint8]] = []
        sums: list[int] = []
        for index, spec in enumerate(specs):
            try:
                address, pseudo_sum = _resolved(spec)
                of_flows = list(self._channels_of(spec, address))
            except IsochroneError as error:
                conditions.append(_refusal(spec, error.text))
                continue
            accepted.append(index)
            channels += of_flows
            addresses += [address] * spec.flows
            sums += [pseudo_sum] * spec.flows
        self._append([specs[index] for index in accepted], channels, addresses, sums)
        return accepted, conditions

    def _append(
        self,
        specs: list[StreamSpec],
        channels: list[int],
        addresses: list[NDArray[np.uint8]],
        sums: list[int],
    ) -> None:
        """Number the accepted streams and their sessions, and tell the channels."""
        if not specs:
            return
        flows = np.array([spec.flows for spec in specs])
        stream = len(self.specs) + np.repeat(np.arange(len(specs)), flows)
        flow = np.arange(len(stream)) - np.repeat(np.cumsum(flows) - flows, flows)
        timeout_ns = np.array([_waiting_limit_ns(spec) for spec in specs])
        gap_ns = np.array([_closest_gap_ns(spec) for spec in specs])
        sessions = self.ledger.add_sessions(
            stream, flow, np.repeat(timeout_ns, flows), np.repeat(gap_ns, flows)
        )
        self.specs += specs
        ids = np.array([spec.stream_id for spec in specs], np.uint64)
        self.stream_ids = np.append(self.stream_ids, ids)
        self.first_session = np.append(self.first_session, sessions[0] + np.cumsum(flows) - flows)
        self.flows = np.append(self.flows, flows)
        self.sent = np.append(self.sent, np.zeros(len(specs), np.int64))
        self.channel_of = np.append(self.channel_of, np.array(channels, np.int64))
        stacked = np.array(addresses, np.uint8)
        self.address = np.concatenate([self.address, stacked])
        secret = self._generator.integers(0, 1 << 63, len(stream), np.int64).astype(np.uint64)
        self.secret = np.append(self.secret, secret)
        port = np.ascontiguousarray(stacked[:, 2:4]).view(">u2")[:, 0].astype(np.uint16)
        self._port = np.append(self._port, port)
        self._pseudo_sum = np.append(self._pseudo_sum, np.array(sums, np.uint64))
        self._tell_channels(set(channels))

    def _tell_channels(self, changed: set[int]) -> None:
        """Give each changed channel its peers."""
        for number in changed:
            session = np.flatnonzero(self.channel_of == number)
            channel = self.channels[number]
            channel.set_peers(session, self.address[session])
            if isinstance(channel.codec, SynCodec):
                channel.codec.set_peers(self._port, self._pseudo_sum)

    def tokens(self, session: NDArray[np.int64], sequence: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Return what only we can know of each probe: a mix of session secret and number."""
        mixed: NDArray[np.uint64] = self.secret[session] + sequence.astype(np.uint64) * np.uint64(
            0x9E3779B97F4A7C15
        )
        mixed ^= mixed >> np.uint64(30)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
        return mixed

    def close(self) -> None:
        """Close all sockets."""
        for channel in self.channels:
            channel.close()

    def _channels_of(self, spec: StreamSpec, address: NDArray[np.uint8]) -> Iterator[int]:
        """Return the channel of each flow of a stream, opening those that are not there yet.

        Streams that are alike in all that a reply shows get channels of their own: `copy`.
        """
        kind = spec.type_p
        size = self._payload_bytes(spec)
        alike = (kind.protocol, spec.source, kind.dscp, size, address.tobytes())
        copy = self._alike[alike]
        numbers = []
        for flow in range(spec.flows):
            key = (kind.protocol, kind.ip_version, spec.source, flow, kind.dscp, size, copy)
            if key not in self._by_key:
                self._by_key[key] = self._open(spec, size)
            numbers.append(self._by_key[key])
        self._alike[alike] += 1
        yield from numbers

    def _open(self, spec: StreamSpec, payload_bytes: int) -> int:
        """Open a channel and return its number."""
        kind = spec.type_p
        family = socket.AF_INET if kind.ip_version == 4 else socket.AF_INET6
        codec: Codec
        if kind.protocol == "icmp":
            ident = int(self._generator.integers(1, 1 << 16))
            opened = open_icmp(family, spec.source, kind.dscp, ident)
            codec = EchoCodec(opened, payload_bytes)
        elif kind.protocol == "udp":
            opened = open_udp(family, spec.source, kind.dscp)
            ssid = int(self._generator.integers(1, 1 << 16))
            if self._hmac_key is None:
                codec = StampCodec(payload_bytes, ssid)
            else:
                codec = AuthenticatedCodec(payload_bytes, ssid, self._hmac_key)
        else:
            opened = open_tcp(family, spec.source, kind.dscp)
            codec = SynCodec(opened, int(self._generator.integers(0, 1 << 32)))
        width = max(128, 1 << int(np.ceil(np.log2(payload_bytes + _HEADER_ROOM))))
        rings = self._rings.setdefault(width, Rings.of(BATCH, width))
        self.channels.append(Channel(len(self.channels), opened, codec, rings))
        return len(self.channels) - 1

    def _payload_bytes(self, spec: StreamSpec) -> int:
        """Return how much payload the stream's packets really have."""
        if spec.type_p.protocol == "tcp":
            return tcp.SEGMENT_BYTES
        if spec.type_p.protocol == "udp":
            least = BASE_BYTES if self._hmac_key is None else AUTHENTICATED_BYTES
            return max(spec.type_p.payload_bytes, least)
        return spec.type_p.payload_bytes


def _closest_gap_ns(spec: StreamSpec) -> float:
    """Return a gap that a flow keeps for long; Poisson bunches may be twice as dense."""
    return spec.interval_ms * 1e6 * spec.flows / (2 if spec.pacing == "poisson" else 1)


def _waiting_limit_ns(spec: StreamSpec) -> int:
    """Return how long an answer is on time; for TCP never so long that a SYN-ACK is sent again."""
    limit_ns = int(spec.timeout_ms * 1e6)
    return min(limit_ns, tcp.SYN_LIMIT_NS) if spec.type_p.protocol == "tcp" else limit_ns


def _resolved(spec: StreamSpec) -> tuple[NDArray[np.uint8], int]:
    """Return the destination's sockaddr and, for TCP, its pseudo header sum."""
    kind = spec.type_p
    if kind.protocol == "tcp" and kind.port is None:
        raise ConfigError(
            f"A TCP stream to {spec.destination} needs a destination port.",
            f"到 {spec.destination} 的 TCP 测量流需要指定目的端口。",
            destination=spec.destination,
        )
    port = 0 if kind.protocol == "icmp" else kind.port or STAMP_PORT
    family = socket.AF_INET if kind.ip_version == 4 else socket.AF_INET6
    try:
        address = pack_address(spec.destination, port)
    except OSError as error:
        raise _bad_destination(spec) from error
    if int(address[:2].view("=u2")[0]) != family:
        raise _bad_destination(spec)
    if kind.protocol != "tcp":
        return address, 0
    try:
        source = source_address_to(spec.destination, family, spec.source)
    except OSError:
        source = "0.0.0.0" if kind.ip_version == 4 else "::"  # noqa: S104 - a name for "none"
    packed = [
        socket.inet_pton(family, host.partition("%")[0]) for host in (source, spec.destination)
    ]
    return address, tcp.pseudo_header_sum(*packed)


def _bad_destination(spec: StreamSpec) -> ConfigError:
    version = spec.type_p.ip_version
    return ConfigError(
        f"{spec.destination} is not a numeric IPv{version} address; resolve names first, and let "
        "the address agree with the stream's IP version.",
        f"{spec.destination} 不是数字形式的 IPv{version} 地址；"
        "请先解析域名，并使地址与测量流的 IP 版本一致。",
        destination=spec.destination,
    )


def _refusal(spec: StreamSpec, reason: Text) -> Condition:
    label = f"{spec.destination} {spec.type_p.label()}"
    text = Text(
        f"Stream to {label} is not run: {reason.en}", f"到 {label} 的测量流未运行：{reason.zh}"
    )
    return Condition(code="stream_refused", severity="error", text=text)
