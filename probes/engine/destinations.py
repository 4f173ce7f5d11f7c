"""What a stream's description says of its packets: where they go, how long they are waited for."""

from __future__ import annotations

import socket

import numpy as np
from numpy.typing import NDArray

from foundation.errors import ConfigError
from foundation.literals import AddressError, read_destination
from probes.addresses import pack_address, split_source
from probes.stream import StreamSpec


def closest_gap_ns(spec: StreamSpec) -> float:
    """Return a gap that a flow keeps for long; Poisson bunches may be twice as dense."""
    return spec.interval_ms * 1e6 * spec.flows / (2 if spec.pacing == "poisson" else 1)


def waiting_time_ns(spec: StreamSpec) -> int:
    """Return how long an answer is on time, which the protocol may bound."""
    limit_ns, longest_ns = int(spec.timeout_ms * 1e6), spec.type_p.described.longest_wait_ns
    return limit_ns if longest_ns is None else min(limit_ns, longest_ns)


def socket_family(spec: StreamSpec) -> int:
    """Return the address family of a stream's sockets."""
    return socket.AF_INET if spec.type_p.ip_version == 4 else socket.AF_INET6


def resolved(spec: StreamSpec) -> NDArray[np.uint8]:
    """Return the destination's sockaddr. Raises ConfigError for what is not an address of a host,
    of the source too, and where the port is missing."""
    kind = spec.type_p
    if kind.lacks_port:
        raise _no_port(spec)
    port = kind.destination_port or 0
    try:
        read_destination(spec.destination, kind.ip_version)
        address = pack_address(spec.destination, port)
    except AddressError as error:
        raise ConfigError(
            f"{error.text.en}.", f"{error.text.zh}。", destination=spec.destination
        ) from error
    except OSError as error:
        raise _no_such_zone(spec) from error
    _check_source(spec)
    return address


def _check_source(spec: StreamSpec) -> None:
    """Raise ConfigError for a source that is not an address of a host."""
    source = split_source(spec.source)[0]
    try:
        if source is not None:
            read_destination(source, spec.type_p.ip_version)
    except AddressError as error:
        raise ConfigError(
            f"The source address {error.text.en}.", f"源地址 {error.text.zh}。", source=source
        ) from error


def _no_port(spec: StreamSpec) -> ConfigError:
    protocol = spec.type_p.protocol.upper()
    return ConfigError(
        f"A {protocol} stream to {spec.destination} needs a destination port; name it as `port` of "
        "its `type_p`.",
        f"到 {spec.destination} 的 {protocol} 测量流需要指定目的端口；请在其 `type_p` 中设置 "
        "`port`。",
        destination=spec.destination,
    )


def _no_such_zone(spec: StreamSpec) -> ConfigError:
    zone = spec.destination.partition("%")[2]
    return ConfigError(
        f"{spec.destination} names the interface {zone}, which this machine does not have; check "
        "`ip link`.",
        f"{spec.destination} 指定了本机没有的接口 {zone}；请用 `ip link` 检查。",
        destination=spec.destination,
    )
