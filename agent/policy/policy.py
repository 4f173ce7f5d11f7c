"""The policy of the agent's owner: what no plan of any controller can exceed.

It is the `[policy]` section of the agent's own file (docs/reference/agent-config.md), which the
agent reads and never writes. Without the section the defaults below hold: any unicast address, no
loopback, link-local, multicast or broadcast, and modest rates.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
import zoneinfo
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from foundation.errors import ConfigError
from foundation.literals import AddressError, Network, read_prefix
from foundation.number_types import LARGEST, Rate, Whole
from probes.protocols.registry import protocol_names
from probes.reflector.admission import PeerFilter
from probes.reflector.sessions import Sources
from probes.stream import ProtocolName

# Never reached by "everywhere": an owner who means them must name them (or a part of them).
SPECIAL = (
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/127",  # unspecified and loopback
    "fe80::/10",
    "ff00::/8",
)
_MINUTES_A_DAY = 24 * 60
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_QUIET = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?\s+)?"
    r"(?P<from>\d\d:\d\d)-(?P<to>\d\d:\d\d)"
)
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")

Prefixes = tuple[str, ...]
Ports = tuple[str | Whole, ...]


class ReflectorPolicyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the agent may answer. Without `open` a plan may name single senders, not prefixes."""

    enabled: bool = True
    open: bool = False
    ports: Ports = ("862", "1024-65535")
    max_addresses: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 64
    max_packets_per_s: Rate = 20_000.0
    max_packets_per_s_per_source: Rate = 1_000.0


class PolicyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section as it is written. Rates count probes sent; sizes and bits whole IP packets.

    `max_flows`, `max_sockets` and `max_memory_bytes` are what the streams of a plan may take of
    this machine; reflectors have `reflector.max_addresses`.
    """

    destinations: Prefixes = ("0.0.0.0/0", "::/0")
    denied_destinations: Prefixes = ()
    ports: Ports = ("1-65535",)
    denied_ports: Ports = ()
    protocols: tuple[ProtocolName, ...] = protocol_names()
    max_packets_per_s: Rate = 10_000.0
    max_bits_per_s: Rate = 20e6
    max_packets_per_s_per_destination: Rate = 200.0
    max_bits_per_s_per_destination: Rate = 1e6
    max_packet_bytes: Annotated[int, msgspec.Meta(ge=28, le=65_535)] = 1500
    max_flows: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 65_536
    max_sockets: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1_024
    max_memory_bytes: Annotated[int, msgspec.Meta(ge=1 << 20, le=LARGEST)] = 256 << 20
    quiet_hours: tuple[str, ...] = ()
    time_zone: str = "UTC"
    reflector: ReflectorPolicyConfig = msgspec.field(default_factory=ReflectorPolicyConfig)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Every week on `days` (0 = Monday) from one minute of the day to another, perhaps next day."""

    days: frozenset[int]
    from_minute: int
    to_minute: int

    def holds(self, local: datetime.datetime) -> bool:
        """Tell whether it is quiet at this local time."""
        minute = local.hour * 60 + local.minute
        today, yesterday = local.weekday() in self.days, (local.weekday() - 1) % 7 in self.days
        if self.from_minute < self.to_minute:
            return today and self.from_minute <= minute < self.to_minute
        return (today and minute >= self.from_minute) or (yesterday and minute < self.to_minute)


class Policy:
    """A policy made ready to be asked. ConfigError from the constructor names key and value."""

    def __init__(self, config: PolicyConfig | None = None) -> None:
        self.config = config or PolicyConfig()
        config = self.config
        self._allowed = [_prefix(text, "destinations") for text in config.destinations]
        self._denied = [_prefix(text, "denied_destinations") for text in config.denied_destinations]
        named = [network for network in self._allowed if _is_special(network)]
        self._allowed_set = PeerFilter(map(str, self._allowed))
        self._denied_set = PeerFilter(map(str, self._denied))
        self._special_set, self._named_set = PeerFilter(SPECIAL), PeerFilter(map(str, named))
        self.ports = _ports(self.config.ports, "ports")
        self.ports &= ~_ports(self.config.denied_ports, "denied_ports")
        self.reflector_ports = _ports(self.config.reflector.ports, "reflector.ports")
        self._zone = _zone(self.config.time_zone)
        self._quiet = tuple(map(_quiet, self.config.quiet_hours))

    def denies(self, addresses: Sources) -> NDArray[np.bool_]:
        """Return which addresses a prefix of `denied_destinations` holds, bool[n]."""
        return self._denied_set.holds(addresses)

    def allows(self, addresses: Sources) -> NDArray[np.bool_]:
        """Return which addresses `destinations` holds, special ones only where named, bool[n]."""
        special = self._special_set.holds(addresses) & ~self._named_set.holds(addresses)
        return self._allowed_set.holds(addresses) & ~special

    def allows_all_of(self, network: Network) -> bool:
        """Tell whether a whole prefix is allowed and no part of it denied."""
        return any(within(network, one) for one in self._allowed) and not any(
            within(network, one) or within(one, network) for one in self._denied
        )

    def is_quiet(self, wall_ns: int) -> bool:
        """Tell whether `wall_ns` falls into the quiet hours."""
        if not self._quiet:
            return False
        local = datetime.datetime.fromtimestamp(wall_ns // 1_000_000_000, self._zone)
        return any(quiet.holds(local) for quiet in self._quiet)


def _prefix(text: str, key: str) -> Network:
    try:
        return read_prefix(text)
    except AddressError as error:
        raise _wrong(
            key, text, f"is refused: {error.text.en}", f"不可用：{error.text.zh}"
        ) from error


def _is_special(network: Network) -> bool:
    return any(within(network, ipaddress.ip_network(special)) for special in SPECIAL)


def within(network: Network, other: Network) -> bool:
    """Tell whether every address of `network` is one of `other`."""
    return (
        network.version == other.version
        and network.prefixlen >= other.prefixlen
        and network.network_address in other
    )


def _ports(ranges: Ports, key: str) -> NDArray[np.bool_]:
    """Return which ports are meant, bool[65536]."""
    meant = np.zeros(1 << 16, np.bool_)
    for text in ranges:
        found = _PORTS.fullmatch(str(text))
        first = int(found[1]) if found else 0
        last = int(found[2] or first) if found else 0
        if not 1 <= first <= last <= 65_535:
            raise _wrong(
                key,
                text,
                'is not a port; write 862 or "1024-65535"',
                '不是端口；请写成 862 或 "1024-65535"',
            )
        meant[first : last + 1] = True
    return meant


def _quiet(text: str) -> QuietHours:
    found = _QUIET.fullmatch(text.strip().lower())
    days = _days(found["first"], found["last"]) if found else None
    start, end = (_minute(found["from"]), _minute(found["to"])) if found else (None, None)
    if days is None or start is None or end is None or start == _MINUTES_A_DAY:
        raise _wrong(
            "quiet_hours",
            text,
            'is not a time of the week; write "22:00-06:00" or "mon-fri 08:00-18:00"',
            '不是有效的时段；请写成 "22:00-06:00" 或 "mon-fri 08:00-18:00"',
        )
    return QuietHours(days, start, end)


def _days(first: str | None, last: str | None) -> frozenset[int] | None:
    if first is None:
        return frozenset(range(7))
    if first not in _DAYS or (last or first) not in _DAYS:
        return None
    begin, end = _DAYS.index(first), _DAYS.index(last or first)
    return frozenset((begin + step) % 7 for step in range((end - begin) % 7 + 1))


def _minute(text: str) -> int | None:
    """Return the minute of the day of ``HH:MM``, 24:00 included; None for what is not a time."""
    minute = int(text[:2]) * 60 + int(text[3:])
    return minute if int(text[3:]) < 60 and minute <= _MINUTES_A_DAY else None


def _zone(name: str) -> datetime.tzinfo:
    if name == "UTC":
        return datetime.UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _wrong(
            "time_zone",
            name,
            "is not a time zone this system knows; write one such as Asia/Shanghai (package "
            "tzdata)",
            "不是本机已知的时区；请写成 Asia/Shanghai 之类的名称（需安装 tzdata）",
        ) from error


def _wrong(key: str, value: object, en: str, zh: str) -> ConfigError:
    name = f"policy.{key}"
    return ConfigError(f"{name}: {value!r} {en}.", f"{name}：{value!r} {zh}。", key=name)
