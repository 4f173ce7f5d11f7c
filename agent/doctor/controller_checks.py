"""Whether the controller is there, lets this agent in, and hears no other one of its name."""

from __future__ import annotations

import datetime as dt
import ssl
from http import HTTPStatus
from pathlib import Path

import aiohttp
import msgspec

from agent.channel.link import open_session, read_answer, refusal_of, unreachable
from agent.config import AgentConfig
from foundation.checkup import Finding, finding
from foundation.clock import SystemClock
from foundation.errors import IsochroneError
from foundation.text import Text, counted
from messages.controller_url import socket_path

_PATIENCE_S = 5.0
_LET_IN = (HTTPStatus.BAD_REQUEST, HTTPStatus.UPGRADE_REQUIRED)  # it lacked the upgrade alone


class _Health(msgspec.Struct):
    boot: str


class _Duplicate(msgspec.Struct):
    boot: str
    refused_ns: int


class _AgentStatus(msgspec.Struct):
    """What of the controller's answer is needed here."""

    state: str
    health: _Health | None = None
    duplicate: _Duplicate | None = None


def check_certificate(config: AgentConfig) -> tuple[Finding | None, ssl.SSLContext | None]:
    """Look at what the agent shows its controller; nothing is needed on a unix socket."""
    if socket_path(config.controller) is not None:
        return None, None
    from agent.identity.trust import load_trust

    try:
        trust = load_trust(Path(config.state_dir), config.name)
        context = trust.context()
    except IsochroneError as error:
        return Finding(check="certificate", status="fail", text=error.text), None
    except (OSError, ssl.SSLError) as error:
        return (
            finding(
                "certificate",
                "fail",
                f"The certificate cannot be used ({error}); enrol this agent again.",
                f"证书无法使用（{error}）；请重新注册探针。",
            ),
            None,
        )
    now_ns = SystemClock().wall_ns()
    left_days = (trust.expires_ns - now_ns) / 86_400e9
    shown = f"{dt.datetime.fromtimestamp(now_ns / 1e9, dt.UTC):%Y-%m-%d %H:%M} UTC"
    if left_days <= 0:
        told = finding(
            "certificate",
            "fail",
            f"The certificate has expired by this machine's clock ({shown}); if that is right, "
            "enrol again with a new token: isochrone agent enrol.",
            f"按本机时钟（{shown}）证书已过期；若时间无误，请用新令牌重新注册："
            "isochrone agent enrol。",
        )
    elif now_ns < trust.issued_ns:
        told = finding(
            "certificate",
            "fail",
            f"The certificate is not valid yet by this machine's clock ({shown}); set the clock, "
            "or check the controller's.",
            f"按本机时钟（{shown}）证书尚未生效；请校准本机时钟，或检查控制器的时钟。",
        )
    else:
        told = finding(
            "certificate",
            "ok",
            f"The certificate is valid for {counted(round(left_days), 'more day')} and is renewed "
            "automatically.",
            f"证书还有 {left_days:.0f} 天到期，会自动续期。",
        )
    return told, context


async def refusal_by_controller(config: AgentConfig, context: ssl.SSLContext) -> Text | None:
    """Return why the controller does not let this agent in, None where it does or does not say.

    A certificate that is good in itself may have been revoked: only the controller knows. It is
    asked for the control channel without the upgrade that would open it.
    """
    session, base = open_session(config.controller, context, config.proxy)
    url = f"{base}/api/v1/agents/{config.name}/control"
    timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
    try:
        async with session, session.get(url, timeout=timeout, allow_redirects=False) as answer:
            if answer.status in _LET_IN:
                return None
            return refusal_of(answer.status, await read_answer(answer))
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None  # whether it is there is another check


async def check_controller(config: AgentConfig, context: ssl.SSLContext | None) -> Finding:
    """Ask the controller whether it is there."""
    session, base = open_session(config.controller, context, config.proxy)
    timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
    try:
        async with session, session.get(f"{base}/healthz", timeout=timeout) as answer:
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        text = unreachable(config.controller, error)
        return Finding(check="controller", status="fail", text=text)
    if status != HTTPStatus.OK:
        return finding(
            "controller",
            "fail",
            f"{config.controller} answers HTTP {status}; is that the controller?",
            f"{config.controller} 返回 HTTP {status}；该地址是控制器吗？",
        )
    return finding(
        "controller", "ok", f"{config.controller} answers.", f"{config.controller} 应答正常。"
    )


async def check_duplicates(
    config: AgentConfig, context: ssl.SSLContext | None, running: str | None
) -> list[Finding]:
    """Return what the controller says of others of our name; nothing where it does not answer.

    `running` is the boot of the agent that runs in this state directory, None where none does.
    """
    session, base = open_session(config.controller, context, config.proxy)
    url = f"{base}/api/v1/agents/{config.name}/status"
    timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
    try:
        async with session, session.get(url, timeout=timeout) as answer:
            said = msgspec.json.decode(await read_answer(answer), type=_AgentStatus)
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError):
        return []
    return [_judged(config.name, said, running)]


def _judged(name: str, said: _AgentStatus, running: str | None) -> Finding:
    heard = said.health.boot if said.health is not None and said.state == "ok" else None
    if running is not None and heard not in (None, running):
        return finding(
            "name",
            "fail",
            f"Another agent named {name} is connected to the controller with the same "
            "certificate; until it stops, what this one measures is not stored. One of the two is "
            "a copy of a machine or of its state directory: stop it, or give it its own name and "
            "token.",
            f"控制器当前连接的是另一个名为 {name} 的探针，且使用同一证书；"
            "本探针在此期间的数据不会存储。可能克隆了机器或其状态目录：请停止其中一个，"
            "并为其配置单独的名称和令牌。",
        )
    if running is None and heard is not None:
        return finding(
            "name",
            "warn",
            f"An agent named {name} was connected to the controller seconds ago, and none runs "
            "here: unless it was stopped just now, it runs on another machine with the same "
            "certificate.",
            f"控制器刚收到名为 {name} 的探针的消息，但本机没有探针在运行："
            "若不是刚刚停止，则它正以同一证书在另一台机器上运行。",
        )
    if said.duplicate is not None:
        at = dt.datetime.fromtimestamp(said.duplicate.refused_ns / 1e9).astimezone()
        when = at.isoformat(" ", "seconds")
        return finding(
            "name",
            "warn",
            f"A second agent named {name} was refused, last at {when}: look for a copy of this "
            "machine or of its state directory.",
            f"曾有第二个名为 {name} 的探针被拒绝，最近一次在 {when}："
            "请检查是否克隆了本机或其状态目录。",
        )
    return finding(
        "name",
        "ok",
        f"No other agent named {name} has been seen by the controller.",
        f"控制器未发现另一个名为 {name} 的探针。",
    )
