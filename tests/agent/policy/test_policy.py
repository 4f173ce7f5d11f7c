"""What the owner allows is read strictly, and no plan gets more."""

import datetime
import ipaddress
import itertools
import json
import zoneinfo
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from agent.config import load_config
from agent.policy.command import policy as policy_command
from agent.policy.enforcement import grant
from agent.policy.policy import SPECIAL, Policy, PolicyConfig
from foundation.errors import ConfigError
from messages.exchange import Plan
from probes.reflector.spec import ReflectorSpec
from probes.stream import StreamSpec, TypeP

UDP = TypeP(protocol="udp", ip_version=4, payload_bytes=44)
HEAD = 'name = "a1"\ncontroller = "unix:///c"\nstate_dir = "/s"\n'


def config(**keys) -> PolicyConfig:
    return msgspec.convert(keys, PolicyConfig)


def stream(number: int, destination: str = "192.0.2.1", interval_ms: float = 100.0, **type_p):
    version = 6 if ":" in destination else 4
    kind = msgspec.structs.replace(UDP, ip_version=version, **type_p)
    return StreamSpec(
        stream_id=number, destination=destination, type_p=kind, interval_ms=interval_ms
    )


def granted(streams, *, quiet=False, reflectors=(), **keys):
    plan = Plan(version=1, agent="a1", streams=tuple(streams), reflectors=tuple(reflectors))
    return grant(Policy(config(**keys)), plan, quiet=quiet)


def rules(outcome) -> dict[int, str]:
    return {one.stream_id: one.rule for one in outcome.curtailed}


def test_usual_plan_runs_as_asked_without_a_policy() -> None:
    streams = [stream(n, f"192.0.2.{n}") for n in range(1, 200)]
    assert granted(streams).streams == tuple(streams)
    assert granted(streams).by_rule == ()
    assert granted([]).streams == ()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "169.254.169.254",
        "::1",
        "::",
        "ff02::1",
        "fe80::1",
        "::ffff:127.0.0.1",
        "not-an-address",
    ],
)
def test_special_addresses_are_refused_unless_named(address: str) -> None:
    assert rules(granted([stream(1, address)])) == {1: "policy.destinations"}
    if address != "not-an-address":
        named = address.removeprefix("::ffff:") if "." in address else address
        assert granted([stream(1, address)], destinations=[named]).curtailed == ()


def test_each_rule_refuses_by_its_own_name() -> None:
    streams = [
        stream(1, "192.0.2.1"),
        stream(2, "198.51.100.1"),
        stream(3, "192.0.2.2", port=53),
        stream(4, "192.0.2.3", protocol="tcp", port=443),
        stream(5, "192.0.2.4", payload_bytes=1473),
        stream(6, "192.0.2.66"),
        stream(7, "192.0.2.5", payload_bytes=1472),
    ]
    outcome = granted(
        streams,
        destinations=["192.0.2.0/24"],
        denied_destinations=["192.0.2.64/26"],
        denied_ports=["1-861"],
        protocols=["icmp", "udp"],
    )
    assert rules(outcome) == {
        2: "policy.destinations",
        3: "policy.ports",
        4: "policy.protocols",
        5: "policy.max_packet_bytes",
        6: "policy.denied_destinations",
    }
    assert [spec.stream_id for spec in outcome.streams] == [1, 7]
    assert {one.rule: one.streams for one in outcome.by_rule} == dict.fromkeys(
        rules(outcome).values(), 1
    )


def test_streams_to_one_destination_are_slowed_together() -> None:
    streams = [stream(1, interval_ms=10), stream(2, interval_ms=20), stream(3, "192.0.2.9")]
    outcome = granted(streams, max_packets_per_s_per_destination=75)
    assert [spec.interval_ms for spec in outcome.streams] == [20, 40, 100]
    assert rules(outcome) == dict.fromkeys((1, 2), "policy.max_packets_per_s_per_destination")


def test_bits_count_whole_packets_and_name_themselves() -> None:
    outcome = granted([stream(1, interval_ms=10)], max_bits_per_s_per_destination=28_800)
    assert outcome.streams[0].interval_ms == pytest.approx(20)  # 72 octets × 8 × 50 a second
    assert rules(outcome) == {1: "policy.max_bits_per_s_per_destination"}


def test_what_would_be_slower_than_once_an_hour_is_refused() -> None:
    outcome = granted([stream(1)], max_packets_per_s=1e-4)
    assert outcome.streams == ()
    assert outcome.curtailed[0].action == "refused"


def test_in_quiet_hours_nothing_is_probed_and_everything_answered() -> None:
    reflector = ReflectorSpec(address="192.0.2.1", port=862, peers=("192.0.2.2",))
    outcome = granted([stream(1)], quiet=True, reflectors=[reflector])
    assert outcome.streams == ()
    assert rules(outcome) == {1: "policy.quiet_hours"}
    assert outcome.reflectors == (reflector,)


def reflected(*peers: str, port: int = 862, **keys):
    spec = ReflectorSpec(address="192.0.2.1", port=port, peers=peers)
    outcome = granted([], reflectors=[spec], **keys)
    left = outcome.reflectors[0].peers if outcome.reflectors else ()
    return left, {one.rule.removeprefix("policy."): one.senders for one in outcome.by_rule}


def test_reflector_answers_single_senders_and_prefixes_only_where_open() -> None:
    assert reflected("192.0.2.2", "0.0.0.0/0") == (("192.0.2.2",), {"reflector.open": 1})
    assert reflected("0.0.0.0/0", reflector={"open": True})[0] == ("0.0.0.0/0",)
    inside = {"reflector": {"open": True}, "destinations": ["10.0.0.0/8"]}
    assert reflected("10.1.0.0/16", "11.0.0.0/16", **inside) == (
        ("10.1.0.0/16",),
        {"destinations": 1},
    )
    denied = {**inside, "denied_destinations": ["10.1.1.0/24"]}
    assert reflected("10.1.0.0/16", "10.2.0.0/16", **denied)[0] == ("10.2.0.0/16",)


def test_reflector_listens_where_the_owner_allows_and_answers_whom_he_allows() -> None:
    assert reflected("192.0.2.2", port=53) == ((), {"reflector.ports": 1})
    assert reflected("192.0.2.2", reflector={"enabled": False})[1] == {"reflector.enabled": 1}
    assert reflected("192.0.2.2", "127.0.0.1", "nonsense")[0] == ("192.0.2.2",)


plans = st.lists(
    st.tuples(
        st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "127.0.0.1", "10.0.0.1"]),
        st.floats(0.5, 5_000),
        st.integers(0, 2_000),
        st.sampled_from(["icmp", "udp", "tcp"]),
    ),
    max_size=40,
)


@given(plans, st.floats(1, 500), st.floats(1e3, 1e6), st.floats(1, 100), st.floats(1e3, 1e5))
def test_no_plan_gets_more_than_any_rule_allows(asked, packets, bits, packets_to_one, bits_to_one):
    streams = [
        stream(n, where, interval, payload_bytes=size, protocol=kind, port=443)
        for n, (where, interval, size, kind) in enumerate(asked)
    ]
    outcome = granted(
        streams,
        destinations=["192.0.2.0/24", "2001:db8::/32"],
        max_packets_per_s=packets,
        max_bits_per_s=bits,
        max_packets_per_s_per_destination=packets_to_one,
        max_bits_per_s_per_destination=bits_to_one,
    )
    rate = np.array([1000 / spec.interval_ms for spec in outcome.streams])
    size = np.array([_bytes(spec) for spec in outcome.streams])
    assert rate.sum() <= packets * 1.000001
    assert (rate * size * 8).sum() <= bits * 1.000001
    for _, group in itertools.groupby(
        sorted(range(len(rate)), key=lambda i: outcome.streams[i].destination),
        key=lambda i: outcome.streams[i].destination,
    ):
        rows = list(group)
        assert rate[rows].sum() <= packets_to_one * 1.000001
        assert (rate * size * 8)[rows].sum() <= bits_to_one * 1.000001
    asked_ms = {spec.stream_id: spec.interval_ms for spec in streams}
    slowed = {
        spec.stream_id for spec in outcome.streams if spec.interval_ms > asked_ms[spec.stream_id]
    }
    told = {one.stream_id for one in outcome.curtailed if one.action == "throttled"}
    refused = {one.stream_id for one in outcome.curtailed if one.action == "refused"}
    assert slowed == told
    assert refused == asked_ms.keys() - {spec.stream_id for spec in outcome.streams}


def _bytes(spec: StreamSpec) -> int:
    kind = spec.type_p
    if kind.protocol == "tcp":
        return (20 if kind.ip_version == 4 else 40) + 24
    least = 44 if kind.protocol == "udp" else 0
    return (20 if kind.ip_version == 4 else 40) + 8 + max(kind.payload_bytes, least)


@given(st.ip_addresses())
def test_special_means_the_same_as_in_the_standard_library(address) -> None:
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


def check(tmp_path: Path, *words: str, section: str = "max_packets_per_s = 5.0"):
    file = tmp_path / "agent.toml"
    file.write_text(f"{HEAD}[policy]\n{section}\n", encoding="utf-8")
    plan = Plan(version=9, agent="a1", streams=(stream(1), stream(2, "127.0.0.1")))
    (tmp_path / "plan.json").write_bytes(msgspec.json.encode(plan))
    command = ["check", "--config", str(file), *words]
    return CliRunner(env={"ISOCHRONE_LANG": "en"}).invoke(policy_command, command)


def test_check_says_what_of_a_plan_would_run(tmp_path: Path) -> None:
    told = check(tmp_path, "--plan", str(tmp_path / "plan.json"))
    assert told.exit_code == 1
    assert "slowed by policy.max_packets_per_s, 100 → 200 ms" in told.output
    assert "refused by policy.destinations" in told.output
    rules = "policy.destinations, policy.max_packets_per_s"
    assert f"Plan 9: 2 streams; 0 run as asked, 1 slowed, 1 refused: {rules}." in told.output
    document = json.loads(check(tmp_path, "--plan", str(tmp_path / "plan.json"), "--json").output)
    assert (document["running"], len(document["curtailed"])) == (1, 2)


def test_check_shows_the_policy_that_holds(tmp_path: Path) -> None:
    told = check(tmp_path)
    assert told.exit_code == 0
    assert "policy.max_packets_per_s = 5.0" in told.output
    assert "policy.reflector.open = false" in told.output


@pytest.mark.parametrize("hours", ["00:00-24:00", "00:00-12:00", "12:00-24:00"])
def test_check_refuses_in_quiet_hours_what_the_agent_refuses_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: str
) -> None:
    noon_ns = 12 * 3_600_000_000_000
    monkeypatch.setattr("foundation.clock.SystemClock.wall_ns", lambda self: noon_ns)
    section = f'quiet_hours = ["{hours}"]'
    told = check(tmp_path, "--plan", str(tmp_path / "plan.json"), section=section)
    quiet = hours != "00:00-12:00"
    assert told.exit_code == 1
    assert ("policy.quiet_hours" in told.output) == quiet
    assert f"{0 if quiet else 1} run as asked, 0 slowed, {2 if quiet else 1} refused" in told.output
