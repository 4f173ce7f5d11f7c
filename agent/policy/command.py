"""`isochrone agent policy`: what the owner's policy allows, before anything is measured."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from agent.config import load_config
from agent.policy.enforcement import Granted, grant, summary_of
from agent.policy.policy import Policy, PolicyConfig
from foundation.clock import SystemClock
from foundation.errors import ConfigError
from foundation.input_files import read_input
from foundation.json_document import decode_json
from foundation.reasons import reason_of
from foundation.text import Text, counted, language_of_environment
from messages.exchange import Plan


@click.group()
def policy() -> None:
    """Show what the policy of this agent's owner allows."""


@policy.command()
@click.option(
    "--config",
    "config_path",
    required=True,
    type=click.Path(path_type=Path),
    help="Configuration file of the agent, with its [policy] section.",
)
@click.option(
    "--plan",
    "plan_path",
    type=click.Path(path_type=Path),
    help="A plan, such as plan.json in the state directory; without it, show the policy.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def check(config_path: Path, plan_path: Path | None, as_json: bool) -> None:
    """Show which streams of a plan would run; exit code 1 if any is curtailed."""
    config = load_config(config_path)
    if plan_path is None:
        click.echo(_json(config.policy) if as_json else "\n".join(_policy_lines(config.policy)))
        return
    plan = _read_plan(plan_path)
    policy = Policy(config.policy)
    granted = grant(policy, plan, quiet=policy.is_quiet(SystemClock().wall_ns()))
    click.echo(_outcome_json(plan, granted) if as_json else "\n".join(_lines(plan, granted)))
    sys.exit(1 if granted.by_rule else 0)


def _read_plan(path: Path) -> Plan:
    try:
        return decode_json(read_input(path), Plan)
    except OSError as error:
        raise ConfigError(
            f"The plan {path} cannot be read: {reason_of(error).en}.",
            f"无法读取测量计划 {path}：{reason_of(error).zh}。",
            file=str(path),
        ) from error
    except msgspec.MsgspecError as error:
        raise ConfigError(
            f"{path} is not a plan: {error}. Use plan.json from the agent's state directory.",
            f"{path} 不是测量计划：{error}。请使用探针状态目录中的 plan.json。",
            file=str(path),
        ) from error


def _json(document: object) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=1).decode()


def _policy_lines(config: PolicyConfig) -> list[str]:
    """Return the policy as it holds, defaults included, key by key."""
    values = msgspec.to_builtins(config)
    reflector = values.pop("reflector")
    values |= {f"reflector.{key}": value for key, value in reflector.items()}
    return [
        f"policy.{key} = {msgspec.json.encode(value).decode()}" for key, value in values.items()
    ]


def _outcome_json(plan: Plan, granted: Granted) -> str:
    return _json(
        {
            "plan_version": plan.version,
            "streams": len(plan.streams),
            "running": len(granted.streams),
            "by_rule": granted.by_rule,
            "curtailed": [
                msgspec.to_builtins(one) | {"stream_id": str(one.stream_id)}  # as in the API
                for one in granted.curtailed
            ],
        }
    )


def _lines(plan: Plan, granted: Granted) -> list[str]:
    language = language_of_environment()
    by_id = {spec.stream_id: spec for spec in plan.streams}
    lines = []
    for one in granted.curtailed:
        spec = by_id[one.stream_id]
        name = f"{spec.destination} {spec.type_p.label()}"
        if one.interval_ms is None:
            text = Text(f"{name}: refused by {one.rule}", f"{name}：被 {one.rule} 拒绝")
        else:
            every = f"{spec.interval_ms:g} → {one.interval_ms:.4g} ms"
            text = Text(
                f"{name}: slowed by {one.rule}, {every}", f"{name}：被 {one.rule} 限速，{every}"
            )
        lines.append(text.pick(language))
    for rule in granted.by_rule:
        if rule.senders:
            text = Text(
                f"not answered by {rule.rule}: {counted(rule.senders, 'sender')}",
                f"{rule.senders} 个发送方不予应答：{rule.rule}",
            )
            lines.append(text.pick(language))
    return [*lines, summary_of(plan, granted).pick(language)]
