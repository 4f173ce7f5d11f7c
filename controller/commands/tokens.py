"""`isochrone controller token` and `revoke`: who is admitted, from the controller's own machine.

They write the data directory; a running controller notices within seconds.
"""

from __future__ import annotations

import pathlib
import re
from typing import TYPE_CHECKING, cast

import click

from controller.client.options import time_zone_option
from controller.commands.keys import DATA, me, opened_credential_store, say
from foundation.clock import SystemClock
from foundation.errors import ConfigError, UsageError
from foundation.local_time import local_text
from foundation.text import Text, is_plain, plain

if TYPE_CHECKING:
    from controller.access.roles import Role

LONGEST_LIFETIME_S = 36_500 * 86_400
LONGEST_LABEL = 80
_UNITS_S = {"m": 60, "h": 3600, "d": 86_400}
_AGENT = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")


@click.group()
def token() -> None:
    """Create, list and revoke tokens, for people and for agents to enrol."""


@token.command("create")
@DATA
@click.option(
    "--role",
    type=click.Choice(["viewer", "operator", "admin"]),
    help="Create an API token with this role.",
)
@click.option(
    "--enrol", "agent", metavar="AGENT", help="Create a one-time token to enrol this agent."
)
@click.option("--label", help="Name of its holder, for the audit log; by default the role.")
@click.option(
    "--expires",
    metavar="90m|24h|30d",
    help="Lifetime; by default 24h for --enrol, 365d for --role.",
)
@time_zone_option
def create(
    data: pathlib.Path, role: str | None, agent: str | None, label: str | None, expires: str | None
) -> None:
    """Create a token and print it once; only its hash is stored."""
    from controller.access.certificate_authority import load_authority

    if (role is None) == (agent is None):
        raise UsageError(
            "Give either --role ROLE or --enrol AGENT.",
            "请指定 --role 角色 或 --enrol 探针名，二者选一。",
        )
    until_ns = SystemClock().wall_ns() + _lifetime_ns(expires or ("24h" if agent else "365d"))
    if agent is not None:
        _check_agent(agent)
    _check_label(label)
    authority, actor = load_authority(data, SystemClock()), me()
    with opened_credential_store(data) as credentials:
        if agent is not None:
            text = credentials.create_enrolment_token(agent, authority.fingerprint, until_ns)
        else:
            text = credentials.create_api_token(cast("Role", role), label or str(role), until_ns)
        subject = f"enrol {agent}" if agent is not None else f"{role} {label or role}"
        try:
            detail = text.split(".")[1]
            credentials.audit(actor=actor, action="create token", subject=subject, detail=detail)
        except Exception:
            credentials.revoke_token(text.split(".")[1])  # nobody will ever see it
            raise
    say(Text(f"Good until {local_text(until_ns)}.", f"有效期至 {local_text(until_ns)}。"))
    click.echo(text)


@token.command("list")
@DATA
@time_zone_option
def list_(data: pathlib.Path) -> None:
    """List the tokens, without their secrets."""
    now_ns = SystemClock().wall_ns()
    with opened_credential_store(data) as credentials:
        for each in credentials.tokens():
            what = f"enrol {each.agent}" if each.role is None else f"{each.role}  {each.label}"
            until = "-" if each.expires_ns is None else local_text(each.expires_ns)
            click.echo(plain(f"{each.id}  {each.state(now_ns):8}  {until}  {what}"))


@token.command("revoke")
@DATA
@click.argument("token_id", metavar="ID")
def revoke_token(data: pathlib.Path, token_id: str) -> None:
    """Revoke the token ID (see list); its connections close within seconds."""
    with opened_credential_store(data) as credentials:
        if not credentials.revoke_token(token_id):
            raise ConfigError(
                f"There is no token {token_id} that could be revoked; see: token list.",
                f"没有可吊销的令牌 {token_id}；请用 token list 查看。",
                token=token_id,
            )
        credentials.audit(actor=me(), action="revoke token", subject=token_id)


@click.command("revoke")
@DATA
@click.argument("agent")
def revoke(data: pathlib.Path, agent: str) -> None:
    """Revoke all certificates of AGENT; its connections close within seconds."""
    _check_agent(agent)
    with opened_credential_store(data) as credentials:
        if not credentials.certificates(agent) and all(
            each.agent != agent for each in credentials.tokens()
        ):
            raise ConfigError(
                f"No certificate or token was ever issued for {agent}, so nothing is revoked; "
                "check the name. See: isochrone list certificates.",
                f"从未为 {agent} 签发过证书或令牌，未吊销任何内容；名称是否正确？"
                "请用 isochrone list certificates 查看。",
                agent=agent,
            )
        ended = credentials.revoke_agent(agent)
        credentials.audit(actor=me(), action="revoke agent", subject=agent, detail=f"{ended} ended")
    say(
        Text(
            f"{agent} is refused from now on (ended: {ended} of its certificates and tokens). To "
            f"admit it again: isochrone controller token create --data {data} --enrol {agent}",
            f"已拒绝 {agent} 接入（吊销证书与令牌共 {ended} 个）。如需重新接入："
            f"isochrone controller token create --data {data} --enrol {agent}",
        )
    )


def _check_label(label: str | None) -> None:
    """Refuse a label that would not be listed as it was written."""
    if label is not None and not (0 < len(label) <= LONGEST_LABEL and is_plain(label)):
        raise UsageError(
            f"--label is one line of 1 to {LONGEST_LABEL} characters, without control characters: "
            "it appears in lists and in the audit log.",
            f"--label 为一行文字，1 至 {LONGEST_LABEL} 个字符，不得含控制字符：它会出现在列表和"
            "审计日志中。",
        )


def _lifetime_ns(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,6})([mhd])", text)
    seconds = 0 if found is None else int(found[1]) * _UNITS_S[found[2]]
    if not 0 < seconds <= LONGEST_LIFETIME_S:
        raise UsageError(
            f"--expires {text} is not understood; write 90m, 24h or 30d, at most 36500d.",
            f"无法识别 --expires {text}；请写成 90m、24h 或 30d，最长 36500d。",
        )
    return seconds * 1_000_000_000


def _check_agent(agent: str) -> None:
    if not _AGENT.fullmatch(agent):
        raise UsageError(
            f"{agent} is not a valid agent name: lower-case letters, digits, dots and hyphens.",
            f"{agent} 不是有效的探针名称：只能包含小写字母、数字、点和连字符。",
            agent=agent,
        )
