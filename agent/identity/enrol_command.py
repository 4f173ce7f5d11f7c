"""`isochrone agent enrol`: from a one-time token to a certificate and a configuration."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import sys
from pathlib import Path
from urllib.parse import urlsplit

import click

from foundation.errors import ConfigError, ResourceError, UsageError
from foundation.input_files import read_input
from foundation.reasons import reason_of
from foundation.text import Text, language_of_environment
from messages.controller_url import is_https

DEFAULT_CONFIG = Path("/etc/isochrone/agent.toml")
DEFAULT_STATE = Path("/var/lib/isochrone")
_STAT = Path("/proc/self/stat")
_ARG_START, _ARG_END = 48 - 3, 49 - 3  # proc_pid_stat(5), counted from the field after the name


@click.command()
@click.argument("url")
@click.argument("token", required=False)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, allow_dash=True),
    help=(
        "File with the token, or - for standard input; if neither this nor TOKEN is given, the "
        "command asks for it."
    ),
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="Configuration file of the agent; created if it does not exist.",
)
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path),
    default=DEFAULT_STATE,
    show_default=True,
    help="Directory for keys, spool and plan, if there is no configuration yet.",
)
@click.option(
    "--proxy",
    metavar="http://HOST:PORT",
    help="HTTP proxy to the controller; saved in a new configuration, read from an existing one.",
)
def enrol(
    url: str,
    token: str | None,
    token_file: Path | None,
    config_path: Path,
    state_dir: Path,
    proxy: str | None,
) -> None:
    """Enrol this agent at the controller URL with a one-time TOKEN.

    The private key is created on this machine and never leaves it. A TOKEN among the arguments is
    visible to every user of this machine until the command has read it: prefer --token-file, or
    enter it when asked.
    """
    if token is not None:
        wipe_argument(token)  # before anything that takes time
    import datetime as dt

    from agent.config import load_config
    from agent.identity.enrolment import enrol as enrol_at
    from messages.enrolment import parse_enrolment_token

    root, proxy = _root(url), _checked_proxy(proxy)
    parsed = parse_enrolment_token(_token(token, token_file))
    if config_path.exists():
        config = load_config(config_path)
        if (config.name, config.controller.rstrip("/")) != (parsed.agent, root):
            raise ConfigError(
                f"{config_path} is for {config.name} at {config.controller}, but the token is for "
                f"{parsed.agent} at {root}; correct the file or name another with --config. "
                "The token was not used.",
                f"{config_path} 属于 {config.name}（{config.controller}），而令牌属于 "
                f"{parsed.agent}（{root}）；请修改该文件或用 --config 指定其他文件。令牌未使用。",
                file=str(config_path),
            )
        state_dir, proxy = Path(config.state_dir), proxy or config.proxy
    else:
        _make_folder(config_path.parent)
    state_dir = state_dir.absolute()
    _make_folder(state_dir, 0o700)
    trust = asyncio.run(enrol_at(root, parsed, state_dir, proxy))
    if not config_path.exists():
        _write_config(config_path, parsed.agent, root, state_dir, proxy)
    until = dt.datetime.fromtimestamp(trust.expires_ns // 10**9, dt.UTC).date().isoformat()
    done = Text(
        f"{parsed.agent} is enrolled; its certificate is valid until {until} and is renewed "
        f"automatically. Start it: isochrone agent run --config {config_path}",
        f"{parsed.agent} 注册成功；证书有效期至 {until}，到期前自动续期。"
        f"启动：isochrone agent run --config {config_path}",
    )
    click.echo(done.pick(language_of_environment()))


def wipe_argument(secret: str) -> bool:
    """Overwrite `secret` wherever it is in the arguments (Linux); True if nothing is left.

    It was to be seen until now, and stays in the shell's history: this only shortens the time.
    """
    wanted = secret.encode()
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = _STAT.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        start, end = int(fields[_ARG_START]), int(fields[_ARG_END])
        if not wanted or not 0 < start < end:
            return False
        while (place := ctypes.string_at(start, end - start).find(wanted)) >= 0:
            ctypes.memset(start + place, ord("x"), len(wanted))
        return True
    return False


def _root(url: str) -> str:
    if not is_https(url):
        raise UsageError(
            f"{url} is not the address of a controller; write https://HOST:PORT.",
            f"{url} 不是控制器地址；请写成 https://主机:端口。",
            controller=url,
        )
    return url.rstrip("/")


def _checked_proxy(proxy: str | None) -> str | None:
    if proxy is not None:
        parts = urlsplit(proxy)
        if parts.scheme != "http" or not parts.hostname or parts.path.strip("/"):
            raise UsageError(
                f"{proxy} is not the address of a proxy; write http://HOST:PORT.",
                f"{proxy} 不是代理服务器地址；请写成 http://主机:端口。",
                proxy=proxy,
            )
    return proxy


def _token(token: str | None, token_file: Path | None) -> str:
    if token is not None and token_file is not None:
        raise UsageError(
            "Give the token once: as TOKEN or by --token-file.",
            "令牌只需提供一次：作为参数或通过 --token-file。",
        )
    if token is not None:
        return token
    if token_file is None:
        words = Text("Enrolment token", "注册令牌")
        return str(click.prompt(words.pick(language_of_environment()), hide_input=True))
    if str(token_file) == "-":
        return sys.stdin.readline()
    try:
        return read_input(token_file).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = reason_of(error)
        raise ConfigError(
            f"The token file {token_file} cannot be read ({reason.en}).",
            f"无法读取令牌文件 {token_file}（{reason.zh}）。",
            file=str(token_file),
        ) from error


def _make_folder(path: Path, mode: int = 0o755) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=mode)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _write_config(
    path: Path, agent: str, controller: str, state_dir: Path, proxy: str | None
) -> None:
    text = (
        "# Written by isochrone agent enrol. Every key: docs/reference/agent-config.md;\n"
        "# the owner's policy ([policy]) and the clock ([clock]) are worth a look.\n"
        f'name = "{agent}"\ncontroller = "{controller}"\nstate_dir = {_quoted(str(state_dir))}\n'
        + (f"proxy = {_quoted(proxy)}\n" if proxy is not None else "")
    )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _cannot_write(path, error) from error


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _cannot_write(path: Path, error: OSError) -> ResourceError:
    return ResourceError(
        f"{path} cannot be written ({error.strerror}); run as root, or choose other places with "
        "--config and --state-dir.",
        f"无法写入 {path}（{reason_of(error).zh}）；请以 root 运行，或用 --config 和 --state-dir "
        "指定其他位置。",
        file=str(path),
    )
