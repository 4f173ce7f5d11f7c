"""`isochrone agent renew`: a fresh key and certificate now, also beside a running agent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from foundation.text import Text, language_of_environment

if TYPE_CHECKING:
    from agent.config import AgentConfig
    from agent.identity.trust import Trust


@click.command()
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

    trust = asyncio.run(renew_now(load_config(config_path)))
    until = dt.datetime.fromtimestamp(trust.expires_ns // 10**9, dt.UTC).date().isoformat()
    done = Text(
        f"{trust.agent} has a new key and certificate, valid until {until}. A running agent picks "
        f"it up within half a minute. The previous one stays valid until it expires; if its key "
        f"was disclosed, have it revoked and enrol again.",
        f"{trust.agent} 已更换密钥和证书，有效期至 {until}。运行中的探针会在半分钟内启用。"
        "原证书在到期前仍然有效；若其密钥已泄露，请吊销并重新注册。",
    )
    click.echo(done.pick(language_of_environment()))


async def renew_now(config: AgentConfig) -> Trust:
    """Renew and keep what was given. Raises IsochroneError; then the old certificate stays."""
    from agent.channel.link import open_session
    from agent.identity.credentials import credentials_of
    from agent.identity.renewal import renewed
    from foundation.errors import ConfigError, ResourceError
    from messages.controller_url import socket_path

    if socket_path(config.controller) is not None:
        raise ConfigError(
            f"{config.name} connects to its controller over a unix socket and has no certificate.",
            f"{config.name} 通过 unix 套接字连接控制器，没有证书。",
        )
    credentials = credentials_of(config)
    session, base = open_session(config.controller, credentials.context, config.proxy)
    url = f"{base}/api/v1/agents/{config.name}/certificate"
    async with session:
        try:
            return await renewed(session, url, credentials.trust)
        except ResourceError as error:
            raise ResourceError(
                f"The certificate was not renewed; the current one stays in use: {error.text.en}",
                f"证书未续期，保持不变：{error.text.zh}",
            ) from error
