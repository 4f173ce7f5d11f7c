"""What the owner allows is read strictly, and no plan gets more."""

import datetime
import ipaddress
import zoneinfo
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import load_config
from agent.policy.enforcement import Granted, grant
from agent.policy.policy import SPECIAL, Policy, PolicyConfig
from foundation.errors import ConfigError
from messages.exchange import Plan
from probes.reflector.spec import ReflectorSpec
from probes.stream import StreamSpec, TypeP

UDP = TypeP(protocol="udp", ip_version=4, payload_bytes=44)
HEAD = 'name = "a1"\ncontroller = "unix:///c"\nstate_dir = "/s"\n'


def config(**keys: object) -> PolicyConfig:
    return msgspec.convert(keys, PolicyConfig)


def stream(
    number: int, destination: str = "192.0.2.1", interval_ms: float = 100.0, **type_p: Any
) -> StreamSpec:
    version = 6 if ":" in destination else 4
    kind = msgspec.structs.replace(UDP, ip_version=version, **type_p)
    return StreamSpec(
        stream_id=number, destination=destination, type_p=kind, interval_ms=interval_ms
    )


def granted(
    streams: Iterable[StreamSpec],
    *,
    quiet: bool = False,
    reflectors: Iterable[ReflectorSpec] = (),
    **keys: object,
) -> Granted:
    plan = Plan(version=1, agent="a1", streams=tuple(streams), reflectors=tuple(reflectors))
    return grant(Policy(config(**keys)), plan, quiet=quiet)


@given(st.ip_addresses())
def test_special_means_the_same_as_in_the_standard_library(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    plain = address.ipv4_mapped or address if address.version == 6 else address
    refused = bool(granted([stream(1, str(address))]).curtailed)
    networks = [ipaddress.ip_network(one) for one in SPECIAL]
    assert refused == any(plain in one for one in networks if one.version == plain.version)


def at(text: str, zone: str) -> int:
    moment = datetime.datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo(zone))
    return int(moment.timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("hours", "moment", "quiet"),
    [
        ("22:00-06:00", "2026-11-20T23:30", True),
        ("22:00-06:00", "2026-11-20T05:59", True),
        ("22:00-06:00", "2026-11-20T06:00", False),
        ("mon-fri 08:00-18:00", "2026-11-20T12:00", True),  # a Friday
        ("mon-fri 08:00-18:00", "2026-11-21T12:00", False),
        ("fri 22:00-06:00", "2026-11-21T03:00", True),  # begun on Friday
        ("fri 22:00-06:00", "2026-11-20T03:00", False),
        ("sat-mon 00:00-24:00", "2026-11-22T23:59", True),
        ("sat-mon 00:00-24:00", "2026-11-24T00:00", False),
    ],
)
def test_quiet_hours_are_local(hours: str, moment: str, quiet: bool) -> None:
    policy = Policy(config(quiet_hours=[hours], time_zone="Asia/Shanghai"))
    assert policy.is_quiet(at(moment, "Asia/Shanghai")) is quiet


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ('destinations = ["10.0.0.1/8"]', "policy.destinations: '10.0.0.1/8'"),
        ('denied_destinations = ["x"]', "policy.denied_destinations: 'x'"),
        ('ports = ["0"]', "policy.ports: '0'"),
        ('ports = ["9-1"]', "policy.ports: '9-1'"),
        ('reflector.ports = ["a"]', "policy.reflector.ports: 'a'"),
        ('quiet_hours = ["25:00-26:00"]', "policy.quiet_hours: '25:00-26:00'"),
        ('quiet_hours = ["mon-fry 08:00-09:00"]', "policy.quiet_hours"),
        ('time_zone = "Mars/Olympus"', "policy.time_zone: 'Mars/Olympus'"),
        ("max_packets_per_s = 0", "'policy.max_packets_per_s' has a wrong value"),
        ("max_packet_per_s = 1", "Did you mean 'policy.max_packets_per_s'?"),
        ("reflector.opne = true", "Did you mean 'policy.reflector.open'?"),
    ],
)
def test_slip_in_the_policy_is_named(tmp_path: Path, section: str, complaint: str) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(f"{HEAD}[policy]\n{section}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert str(file) in caught.value.message("en")
    assert complaint in caught.value.message("en")
