"""`isochrone controller init`, `token` and `revoke`: the keys, from the controller's own machine.

They write the data directory; a running controller notices within seconds.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import pathlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import click

from controller.client.time_options import time_zone_option
from foundation.clock import SystemClock
from foundation.errors import ConfigError, UsageError
from foundation.local_time import local_text
from foundation.text import Text, is_plain, language_of_environment, plain

if TYPE_CHECKING:
    from controller.access.credential_store import CredentialStore
    from controller.access.roles import Role

LONGEST_LIFETIME_S = 36_500 * 86_400
LONGEST_LABEL = 80
_UNITS_S = {"m": 60, "h": 3600, "d": 86_400}
_AGENT = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
DATA = click.option(
    "--data", type=click.Path(path_type=pathlib.Path), required=True, help="Data directory."
)


@click.command("init")
@DATA
@click.option(
    "--name",
    "names",
    multiple=True,
    help="Host name or address by which agents and people reach the server; may be repeated.",
)
def init(data: pathlib.Path, names: tuple[str, ...]) -> None:
    """Create the private certificate authority, the server certificate and the first admin token.

    Run it again with --name to issue a new server certificate for these names.
    """
    from controller.access.certificate_authority import (
        ALWAYS_HOSTS,
        authority_exists,
        create_authority,
        load_authority,
    )
    from controller.access.certificates import certified_hosts

    hosts, actor = certified_hosts(names, ALWAYS_HOSTS), me()
    if authority_exists(data):
        authority = load_authority(data, SystemClock())
        if not names:
            raise ConfigError(
                f"{data} has its authority already. Give --name to make the server a certificate "
                "for other names, or `isochrone controller token create` for another token.",
                f"{data} 已初始化。如需更换服务器证书中的名称，请加 --name；"
                "如需新的令牌，请执行 isochrone controller token create。",
                file=str(data),
            )
        with opened_credential_store(data) as credentials:
            authority.renew_server(hosts)
            credentials.audit(actor=actor, action="renew server", subject=", ".join(hosts))
        say(_certified(hosts))
        return
    # The book first, and the token last: it is shown once, so nothing may fail behind it.
    with opened_credential_store(data, new=True) as credentials:
        authority = create_authority(data, hosts, SystemClock())
        credentials.audit(actor=actor, action="init", subject=authority.fingerprint)
        token = credentials.create_api_token("admin", "first admin", None)
    say(_certified(hosts))
    say(
        Text(
            f"People and agents check the controller against {authority.file}. The admin token "
            "below is shown only once and stored nowhere:",
            f"客户端与探针使用 {authority.file} 验证控制器。以下管理员令牌仅显示一次，不会保存：",
        )
    )
    click.echo(token)


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
                f"check the name. See: isochrone list certificates.",
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


@contextlib.contextmanager
def opened_credential_store(data: pathlib.Path, *, new: bool = False) -> Iterator[CredentialStore]:
    """Open the credential store for a while; with `new` it may be made."""
    from controller.access.credential_store import CredentialStore
    from controller.access.key_database import FILE_NAME, reporting_keys_damage
    from controller.data_directory import KEYS_DIRECTORY

    path = data / KEYS_DIRECTORY / FILE_NAME
    if (
        not new and not path.exists()
    ):  # a mistyped directory must not be made, and answer that nothing is there
        raise ConfigError(
            f"There are no credentials in {data}; name the controller's data directory with "
            "--data, or create them with isochrone controller init.",
            f"{data} 中没有凭证；请用 --data 指定控制器的数据目录，或先执行 "
            "isochrone controller init。",
            data=str(data),
        )
    with reporting_keys_damage(data):
        credentials = CredentialStore(data, SystemClock())
    try:
        yield credentials
    finally:
        credentials.close()


def _check_label(label: str | None) -> None:
    """Refuse a label that would not be listed as it was written."""
    if label is not None and not (0 < len(label) <= LONGEST_LABEL and is_plain(label)):
        raise UsageError(
            f"--label is one line of 1 to {LONGEST_LABEL} characters, without control characters: "
            f"it appears in lists and in the audit log.",
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


def _certified(hosts: list[str]) -> Text:
    names = ", ".join(hosts)
    return Text(
        f"The server's certificate is for: {names} (other names: --name).",
        f"服务器证书适用于：{names}（其他名称请用 --name 指定）。",
    )


def me() -> str:
    """Return who runs this command, for the audit log."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a user without a line in passwd, as in containers
        name = f"uid {os.geteuid()}"
    return f"command line of {name.encode('ascii', 'backslashreplace').decode('ascii')}"


def say(text: Text) -> None:
    """Tell a person in his language, apart from the output."""
    click.echo(text.pick(language_of_environment()), err=True)
