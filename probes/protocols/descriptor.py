"""What everybody else knows of a probe protocol: data alone, without its sockets and its codec."""

from __future__ import annotations

from dataclasses import dataclass

from foundation.text import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadSizes:
    """Octets behind the transport header: `least` hold what `packet` names, `usual` are sent where
    nobody chooses, `marked` where a DSCP is requested as well (None: as usual)."""

    usual: int
    least: int = 0
    marked: int | None = None
    packet: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedText:
    """A sentence about targets and its code: `probes.remark` says which places it may have."""

    code: str
    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowMarkName:
    """What tells the flows of a protocol apart: its key in JSON, and its heading in tables."""

    key: str
    title: Text


SOURCE_PORT = FlowMarkName(key="source_port", title=Text("source port", "源端口"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeProtocol:
    """A probe protocol.

    `name` is in Type-P, site files, commands and the API, `title` in help; `standard` is the
    document that defines it. `rank`: where a target names no protocols, it is judged by the one of
    lowest rank that is measured. `opener` names the function ``module:name`` that opens a channel
    (`probes.channels.opening.ChannelOpener`).

    `default_port` None: it has no ports; `needs_port`: streams must name theirs, and the default is
    for people, whose command or site file says none. `payload` None: it carries none;
    `signed_payload` None: it has no authenticated mode. `header_bytes` are between IP header and
    payload. `needs_reflector` tells that a reflector of ours answers, which the far agent's plan
    must ask for. Answers later than `longest_wait_ns` are late whatever a stream asks.
    `kernel_counters` is its name in /proc/net/snmp, where wrong checksums are counted.

    What is said of targets: `unanswered` where nobody tells why no answer comes, `nothing_listens`
    where the target's own port is unreachable (None: as of any protocol), `dscp_changed_back` where
    answers come with another DSCP. `size_help` is what --size says of it.
    """

    name: str
    title: Text
    standard: Text
    opener: str
    rank: int
    header_bytes: int = 8
    payload: PayloadSizes | None = PayloadSizes(usual=44)
    signed_payload: PayloadSizes | None = None
    default_port: int | None = None
    needs_port: bool = False
    needs_reflector: bool = False
    sockets_a_flow: int = 1
    longest_wait_ns: int | None = None
    flow_mark: FlowMarkName = SOURCE_PORT
    kernel_counters: str | None = None
    unanswered: CodedText | None = None
    nothing_listens: CodedText | None = None
    dscp_changed_back: Text
    size_help: Text

    @property
    def authenticates(self) -> bool:
        """Whether it has an authenticated mode."""
        return self.signed_payload is not None

    @property
    def has_ports(self) -> bool:
        """Whether it goes to a port."""
        return self.default_port is not None

    def sizes(self, *, authenticated: bool = False) -> PayloadSizes:
        """Return the sizes of its payload in one of its modes."""
        return (self.signed_payload if authenticated else self.payload) or _NO_PAYLOAD

    def port_of(self, port: int | None) -> int | None:
        """Return the port that probes go to where `port` was chosen, or none was."""
        return None if self.default_port is None else port or self.default_port

    def payload_bytes(self, chosen: int, *, authenticated: bool = False) -> int:
        """Return how much payload packets really have where `chosen` octets are requested."""
        sizes = self.sizes(authenticated=authenticated)
        return 0 if sizes is _NO_PAYLOAD else max(chosen, sizes.least)


_NO_PAYLOAD = PayloadSizes(usual=0)
