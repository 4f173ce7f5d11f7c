"""Whether another agent of our name is about: asked of the controller, which hears one of them."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

import aiohttp
import msgspec

from agent.channel.link import open_session, read_answer
from agent.config import AgentConfig
from foundation.checkup import Finding, finding
from foundation.text import plain

_PATIENCE_S = 5.0


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


def boot_in(state_dir: Path) -> str:
    """Return the boot of the agent that holds a state directory; empty where it says none."""
    try:
        return plain((state_dir / "lock").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return ""


def _judged(name: str, said: _AgentStatus, running: str | None) -> Finding:
    heard = said.health.boot if said.health is not None and said.state == "ok" else None
    if running is not None and heard not in (None, running):
        return finding(
            "name",
            "fail",
            f"Another agent named {name} is connected to the controller with the same "
            f"certificate; until it stops, what this one measures is not stored. One of the two "
            f"is a copy of a machine or of its state directory: stop it, or give it its own name "
            f"and token.",
            f"控制器当前连接的是另一个名为 {name} 的探针，且使用同一证书；"
            "本探针在此期间的数据不会存储。可能克隆了机器或其状态目录：请停止其中一个，"
            "并为其配置单独的名称和令牌。",
        )
    if running is None and heard is not None:
        return finding(
            "name",
            "warn",
            f"An agent named {name} was connected to the controller seconds ago, and none runs "
            f"here: unless it was stopped just now, it runs on another machine with the same "
            f"certificate.",
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
