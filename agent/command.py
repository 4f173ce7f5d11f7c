"""`isochrone agent`: the daemon's command line."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from agent.identity.enrol_command import enrol
from agent.policy.command import policy
from foundation.logs import LogFormat, log_to_stderr
from foundation.text import Text, language_of_environment


@click.group()
def agent() -> None:
    """Run a measuring agent on this machine."""


agent.add_command(policy)
agent.add_command(enrol)


@agent.command()
@click.option(
    "--config",
    "config_path",
    required=True,
    type=click.Path(path_type=Path),
    help="TOML file; see docs/reference/agent-config.md.",
)
@click.option("--verbose", is_flag=True, help="Log every change of plan and connection.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Text for people, or one JSON object per line.",
)
def run(config_path: Path, verbose: bool, log_format: LogFormat) -> None:
    """Measure what the controller plans, until stopped (SIGTERM or Ctrl-C).

    SIGHUP reloads the configuration.
    """
    from agent.config import load_config

    config = load_config(config_path)
    import logging

    from agent.daemon import run_agent
    from foundation.allocation import limit_arenas
    from probes.sockets.descriptors import raise_descriptor_limit

    raise_descriptor_limit()
    limit_arenas(arenas=1)  # its threads seldom allocate at once
    log_to_stderr(log_format, logging.INFO if verbose else logging.WARNING)
    asyncio.run(run_agent(config, config_path))


@agent.command()
@click.option(
    "--config",
    "config_path",
    required=True,
    type=click.Path(path_type=Path),
    help="Configuration file of the agent.",
)
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON array instead of lines.")
def doctor(config_path: Path, json_wanted: bool) -> None:
    """Check permissions, clock, ports, disk, controller and timestamps; exit code 1 if a check
    fails.
    """
    from agent.doctor.examine import examine
    from foundation.checkup import as_json, as_lines, exit_code

    found = asyncio.run(examine(config_path))
    lines = as_json(found) if json_wanted else "\n".join(as_lines(found, language_of_environment()))
    click.echo(lines)
    sys.exit(exit_code(found))


@agent.command()
@click.option(
    "--config",
    "config_path",
    required=True,
    type=click.Path(path_type=Path),
    help="Configuration file of the agent.",
)
def renew(config_path: Path) -> None:
    """Renew this agent's certificate now; a running agent picks it up.

    Certificates are renewed automatically after two thirds of their lifetime. Use this command
    before a long time without the controller, or if the key may have been disclosed.
    """
    import datetime as dt

    from agent.config import load_config
    from agent.identity.credentials import renew_now

    trust = asyncio.run(renew_now(load_config(config_path)))
    until = dt.datetime.fromtimestamp(trust.expires_ns // 10**9, dt.UTC).date().isoformat()
    done = Text(
        f"{trust.agent} has a new key and certificate, valid until {until}. A running agent picks "
        "it up within half a minute. The previous one stays valid until it expires; if its key was "
        "disclosed, have it revoked and enrol again.",
        f"{trust.agent} 已更换密钥和证书，有效期至 {until}。运行中的探针会在半分钟内启用。"
        "原证书在到期前仍然有效；若其密钥已泄露，请吊销并重新注册。",
    )
    click.echo(done.pick(language_of_environment()))
