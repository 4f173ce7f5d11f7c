"""Every number that comes from outside is finite and in range, whichever door it comes by."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Iterator
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner
from msgspec import inspect as mi

import isochrone
from agent.config import AgentConfig, config_of
from agent.policy.enforcement import grant
from agent.policy.policy import Policy, PolicyConfig
from controller.api.routes import ROUTES
from controller.api.routes.baselines import SealRequest
from controller.campaigns.campaign_file import Campaign
from controller.store import rollup_blocks
from foundation.errors import ConfigError
from foundation.toml_text import parse_toml
from lab.fleet.scenario_schema import ScenarioFile
from messages import chunk
from messages.exchange import (
    Acknowledgement,
    ControlFromAgent,
    ControlFromController,
    Plan,
    PlanPush,
)
from probes.stream import StreamSpec, TypeP
from topology.model import Target
from topology.site_schema import SiteFile

READ = (
    AgentConfig,
    ControlFromAgent,
    ControlFromController,
    Acknowledgement,
    chunk._Wire,
    rollup_blocks._Wire,
    SiteFile,
    Target,
    Campaign,
    ScenarioFile,
    SealRequest,
    *{route.query for route in ROUTES},
    *{route.request for route in ROUTES if route.request is not None},
)
HEAD = 'name = "a1"\ncontroller = "unix:///c"\nstate_dir = "/s"\n'


def numbers(kind: mi.Type, where: str, seen: set[type]) -> Iterator[tuple[str, Any]]:
    """Yield every number that a declaration holds, with its place."""
    if isinstance(kind, mi.IntType | mi.FloatType):
        yield where, kind
        return
    parts: list[tuple[str, mi.Type]] = []
    if isinstance(kind, mi.StructType) and kind.cls not in seen:
        seen.add(kind.cls)
        name = kind.cls.__name__
        parts = [(f"{name}.{field.encode_name}", field.type) for field in kind.fields]
    for several in ("types", "item_types"):
        parts += [(where, one) for one in getattr(kind, several, ())]
    for single in ("type", "item_type", "key_type", "value_type"):
        if hasattr(kind, single):
            parts.append((where, getattr(kind, single)))
    for place, part in parts:
        yield from numbers(part, place, seen)


@pytest.mark.parametrize("declared", READ, ids=str)
def test_every_number_of_every_declaration_has_two_bounds(declared: Any) -> None:
    found = list(numbers(mi.type_info(declared), "", set()))
    for where, kind in found:
        assert (kind.ge, kind.gt) != (None, None), where
        assert (kind.le, kind.lt) != (None, None), where
        # Above 0 alone lets through what has no inverse.
        assert not (isinstance(kind, mi.FloatType) and kind.gt == 0), where


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None
            yield from commands(found, f"{name} {child}")


def numeric_options() -> Iterator[Any]:
    for name, command in commands(isochrone.front_door, "isochrone"):
        for option in command.params:
            if isinstance(option.type, click.types.IntParamType | click.types.FloatParamType) and (
                not getattr(option, "is_flag", False)
            ):
                yield pytest.param(option, id=f"{name} {option.name}")


@pytest.mark.parametrize("option", numeric_options())
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "9" * 400])
def test_no_number_of_the_command_line_is_without_bounds(
    option: click.Parameter, value: str
) -> None:
    with pytest.raises(click.BadParameter):
        option.type.convert(value, option, None)


@pytest.mark.parametrize("value", ["0ms", "nan", "inf", "1e3", "9" * 400 + "s"])
def test_durations_are_finite(value: str) -> None:
    result = CliRunner().invoke(
        isochrone.front_door, ["probe", "icmp", "127.0.0.1", "--interval", value]
    )
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def plan_of(*interval_ms: float) -> Plan:
    kind = TypeP(protocol="udp", ip_version=4)
    streams = tuple(
        StreamSpec(stream_id=number, destination="192.0.2.1", type_p=kind, interval_ms=every_ms)
        for number, every_ms in enumerate(interval_ms)
    )
    return Plan(version=1, agent="a1", streams=streams)


@pytest.mark.parametrize("interval", ["1e-310", "5e-324", "0", "-1", "1e999", "1e300", "NaN"])
def test_plan_with_an_interval_out_of_range_is_no_plan(interval: str) -> None:
    sound = msgspec.json.encode(PlanPush(plan=plan_of(1234.5)))
    with pytest.raises(msgspec.MsgspecError):
        msgspec.json.decode(sound.replace(b"1234.5", interval.encode()), type=ControlFromController)


@pytest.mark.parametrize("wrong_ms", [1e-310, 5e-324, 0.0, -1.0, math.nan, math.inf])
def test_stream_whose_rate_is_no_number_lifts_no_limit(wrong_ms: float) -> None:
    """Even where no declaration was asked: the policy holds by itself."""
    policy = Policy(PolicyConfig(max_packets_per_s=200.0, denied_destinations=("198.51.100.0/24",)))
    refused = msgspec.structs.replace(
        plan_of(wrong_ms).streams[0], stream_id=9, destination="198.51.100.1"
    )
    for more in (plan_of(1.0, wrong_ms), plan_of(1.0, 2.0)):
        plan = msgspec.structs.replace(more, streams=(*more.streams, refused))
        running = grant(policy, plan).streams
        assert sum(1000.0 / spec.interval_ms for spec in running) == pytest.approx(200.0)


@pytest.mark.parametrize(
    "text",
    [
        "[policy]\nmax_packets_per_s = nan",
        "[policy]\nmax_bits_per_s = inf",
        "[policy]\nmax_packets_per_s = 1e-310",
        "[policy.reflector]\nmax_packets_per_s = -inf",
        "[spool]\nmax_age_s = inf",
        "[spool]\nmax_bytes = 0x" + "f" * 6000,
        "[spool]\nmax_bytes = " + "9" * 30,
        "[policy]\nports = [" + "9" * 30 + "]",
        "[clock]\ndeclared_bound_us = nan",
    ],
)
def test_agents_file_takes_no_number_out_of_range(text: str) -> None:
    path = pathlib.Path("agent.toml")
    with pytest.raises(ConfigError):
        config_of(parse_toml(HEAD + text, path), path)


@pytest.mark.parametrize("text", ["a = " + "9" * 5000, "a = " + "[" * 3000, "a = 0o9"])
def test_toml_that_python_cannot_read_is_a_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match="not valid TOML"):
        parse_toml(text, pathlib.Path("agent.toml"))


def test_whole_number_beyond_64_bits_is_no_number_of_any_key() -> None:
    text = "a = 0x" + "f" * 5000 + "\nb = [-" + "9" * 20 + "]\nc = 9223372036854775807"
    said = parse_toml(text, pathlib.Path("x.toml"))
    assert said == {"a": math.inf, "b": [-math.inf], "c": (1 << 63) - 1}
