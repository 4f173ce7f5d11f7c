"""What is measured: Type-P (RFC 2330 §13) and streams of it."""

import hashlib
import ipaddress
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from foundation.number_types import IntervalMs, TimeoutMs
from probes.protocols.descriptor import ProbeProtocol
from probes.protocols.registry import protocol_names, protocol_of

if TYPE_CHECKING:
    ProtocolName = str
else:  # schemas name the protocols that there are
    ProtocolName = Literal[protocol_names()]
StreamId = Annotated[int, msgspec.Meta(ge=0, lt=1 << 48)]

DEFAULT_TIMEOUT_MS = 3000.0  # Tmax of ITU-T Y.1540


class TypeP(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The kind of packet a metric is about (RFC 2330 §13: a metric's value depends on it).

    `payload_bytes` counts what follows the transport header: ICMP echo data, UDP payload (44 is
    the STAMP base packet); a TCP SYN carries none. `port` is the destination port; absent for
    ICMP. `mode` is STAMP's: unauthenticated where absent.
    """

    protocol: ProtocolName
    ip_version: Literal[4, 6]
    payload_bytes: Annotated[int, msgspec.Meta(ge=0, le=65_000)] = 44
    dscp: Annotated[int, msgspec.Meta(ge=0, le=63)] = 0
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] | None = None
    # Left out where it is not set: plans without keys stay what they were, octet for octet.
    mode: Literal["authenticated"] | msgspec.UnsetType = msgspec.UNSET

    @property
    def authenticated(self) -> bool:
        """Whether packets carry an HMAC (RFC 8762 §4.4)."""
        return self.mode == "authenticated"

    @property
    def described(self) -> ProbeProtocol:
        """What is known of its protocol."""
        return protocol_of(self.protocol)

    @property
    def destination_port(self) -> int | None:
        """The port that probes go to; None where the protocol has none, or lacks one."""
        return None if self.lacks_port else self.described.port_of(self.port)

    @property
    def lacks_port(self) -> bool:
        """Whether it names no port, and would have to."""
        return self.port is None and self.described.needs_port

    @property
    def reflector_port(self) -> int | None:
        """The port where a reflector of ours must answer; None where none need."""
        return self.destination_port if self.described.needs_reflector else None

    @property
    def sent_payload_bytes(self) -> int:
        """How much payload the packets really have: what the protocol needs at least."""
        return self.described.payload_bytes(self.payload_bytes, authenticated=self.authenticated)

    def label(self) -> str:
        """Return the Type-P as one word, such as ``udp4/862/44B/dscp0``; ``/hmac`` ends that of
        authenticated ones."""
        port = "" if self.port is None else f"/{self.port}"
        hmac = "/hmac" if self.authenticated else ""
        size = f"{self.payload_bytes}B"
        return f"{self.protocol}{self.ip_version}{port}/{size}/dscp{self.dscp}{hmac}"


class StreamSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stream as the engine runs it: a pair of addresses × a Type-P × pacing.

    `source` is the local address to send from, absent for the system's choice. Probe k of the
    stream is due at phase + k·interval + U(0, jitter_ratio·interval) (docs/concepts/measurement.md
    §2.4), or after exponential gaps of the same mean where `pacing` is ``poisson``. Flows are
    numbered from 0; probe k belongs to flow k mod `flows`. A reply later than `timeout_ms` is late,
    not lost.
    """

    stream_id: StreamId
    destination: str
    type_p: TypeP
    source: str | None = None
    interval_ms: IntervalMs = 1000.0
    jitter_ratio: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.1
    pacing: Literal["periodic", "poisson"] = "periodic"
    flows: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 1
    timeout_ms: TimeoutMs = DEFAULT_TIMEOUT_MS


def stream_id_of(path_id: str, type_p: TypeP) -> int:
    """Return the stable 48-bit number of a stream: a hash of its path and Type-P.

    48 bits pass through JSON unharmed; the planner checks that no two of a plan are equal.
    """
    digest = hashlib.blake2b(f"{path_id}|{type_p.label()}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big")


def ip_version_of(address: str) -> Literal[4, 6]:
    """Return 4 or 6. Raises ValueError for what is not an address."""
    return 6 if ipaddress.ip_address(address).version == 6 else 4
