"""What could keep this agent from measuring: looked at one thing after another.

Every check is a function of its own that raises nothing; it may open sockets for a moment, sends
nothing beyond this machine but two requests to the controller, and changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import sqlite3
import ssl
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import aiohttp

from agent.channel.duplicate_agents import boot_in, check_duplicates
from agent.channel.link import open_session, read_answer, refusal_of, unreachable
from agent.clock_watch import ClockWatch
from agent.config import AgentConfig, load_config
from agent.policy.policy import Policy, PolicyConfig
from foundation.checkup import Finding, check_clock, check_directory, finding
from foundation.clock import SystemClock
from foundation.errors import ConfigError, IsochroneError
from foundation.reasons import reason_of
from foundation.text import Text, counted
from messages.controller_url import socket_path
from probes.clocks.calibrate import calibrate
from probes.reflector.listening import open_reflector_socket
from probes.reflector.spec import ReflectorSpec
from probes.sockets.opening import is_ours
from probes.stamp.sizes import STAMP_PORT

_PATIENCE_S = 5.0
_LET_IN = (HTTPStatus.BAD_REQUEST, HTTPStatus.UPGRADE_REQUIRED)  # it lacked the upgrade alone
_PING_GROUPS = Path("/proc/sys/net/ipv4/ping_group_range")
_SETCAP = "setcap cap_net_raw,cap_net_bind_service+ep"


async def examine(config_path: Path) -> list[Finding]:
    """Return what was found, the configuration first; without it nothing else can be looked at."""
    try:
        config = load_config(config_path)
    except ConfigError as error:
        return [Finding(check="config", status="fail", text=error.text)]
    found = [
        finding("config", "ok", f"{config_path} is valid.", f"{config_path} 有效。"),
        check_policy(config.policy),
        check_directory("state_dir", Path(config.state_dir), config.spool.max_bytes),
        *check_state(Path(config.state_dir)),
        check_icmp(),
        check_tcp(),
        *check_local_addresses(config),
        check_reflector_port(running=_is_held(Path(config.state_dir))),
    ]
    watch = ClockWatch(config.clock, SystemClock())
    await asyncio.to_thread(watch.look)
    found.append(check_clock(watch.source, watch.bound_ns()))
    found.append(await asyncio.to_thread(check_timestamps))
    certificate, context = check_certificate(config)
    if certificate is None or context is not None:
        controller = await check_controller(config, context)
        refused = await refusal_by_controller(config, context) if context is not None else None
        if refused is not None:
            certificate = Finding(check="certificate", status="fail", text=refused)
        state_dir = Path(config.state_dir)
        running = boot_in(state_dir) if _is_held(state_dir) else None
        names = await check_duplicates(config, context, running)
        return [*found, *([] if certificate is None else [certificate]), controller, *names]
    return [*found, certificate]


def check_policy(policy: PolicyConfig) -> Finding:
    """Say what the owner allows."""
    written = policy != PolicyConfig()
    if Policy(policy).is_quiet(SystemClock().wall_ns()):
        return finding(
            "policy",
            "warn",
            "It is within quiet_hours: nothing is probed until they end; requests are answered.",
            "现在处于 quiet_hours 时段：结束前不发送探测，仍应答请求。",
        )
    rates = f"{policy.max_packets_per_s:g} packets/s, {policy.max_bits_per_s / 1e6:g} Mbit/s"
    rates_zh = f"每秒 {policy.max_packets_per_s:g} 包、{policy.max_bits_per_s / 1e6:g} Mbit/s"
    return finding(
        "policy",
        "ok",
        f"At most {rates}" + ("." if written else "; the defaults hold, as none is written."),
        f"上限为{rates_zh}" + ("。" if written else "；未写策略，采用默认值。"),
    )


def check_state(state_dir: Path) -> list[Finding]:
    """Look at the spool that is there, without touching it."""
    path = state_dir / "spool.sqlite3"
    if not path.exists():
        return []
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        ) as db:
            (sound,) = db.execute("PRAGMA quick_check(1)").fetchone()
            chunks, refused = db.execute("SELECT count(*), count(refused) FROM chunk").fetchone()
            lost = db.execute(
                "SELECT coalesce(sum(value), 0) FROM counter WHERE name GLOB 'dropped.*.windows'"
            ).fetchone()[0]
    except sqlite3.Error as error:
        sound, chunks, refused, lost = str(error), 0, 0, 0
    if sound != "ok":
        return [
            finding(
                "spool",
                "fail",
                f"The spool {path} is damaged ({sound}); stop the agent and move the file away.",
                f"缓存文件 {path} 已损坏（{sound}）；请停止探针并移走该文件。",
            )
        ]
    told = f"waiting: {counted(chunks - refused, 'chunk')}, refused: {refused}, dropped: "
    told += counted(lost, "window")
    told_zh = f"待发送 {chunks - refused} 块，被拒收 {refused} 块，已丢弃 {lost} 个窗口"
    return [finding("spool", "warn" if refused else "ok", f"{told.capitalize()}.", f"{told_zh}。")]


def check_local_addresses(config: AgentConfig) -> list[Finding]:
    """Look whether what is bound in place of addresses of the plan (1:1 NAT) is this machine's."""
    found = []
    for public, local in config.local_addresses.items():
        if is_ours(local):
            told = finding(
                "local_addresses",
                "ok",
                f"{local} is the local address of {public} (1:1 NAT).",
                f"{local} 在本机对应 {public}（1:1 NAT）。",
            )
        else:
            told = finding(
                "local_addresses",
                "fail",
                f"{local} is given for {public} (1:1 NAT), but is not an address of this machine; "
                f"check `ip address`.",
                f"{local} 应对应 {public}（1:1 NAT），但不是本机地址；请用 `ip address` 检查。",
            )
        found.append(told)
    return found


def check_icmp() -> Finding:
    """Look which way ICMP probes could be sent."""
    if _may_open(socket.SOCK_RAW, socket.IPPROTO_ICMP):
        return finding("icmp", "ok", "Raw sockets are allowed.", "可使用原始套接字。")
    if _may_open(socket.SOCK_DGRAM, socket.IPPROTO_ICMP):
        return finding(
            "icmp",
            "ok",
            "Ping sockets are allowed; raw sockets are not.",
            "可使用 ping 套接字；无原始套接字权限。",
        )
    with contextlib.suppress(OSError):
        groups = _PING_GROUPS.read_text(encoding="ascii").split()
        return finding(
            "icmp",
            "fail",
            f"ICMP cannot be sent: no CAP_NET_RAW, and ping_group_range {'–'.join(groups)} leaves "
            f"group {os.getegid()} out. `{_SETCAP}`, or "
            "`sysctl net.ipv4.ping_group_range='0 2147483647'`.",
            f"无法发送 ICMP：没有 CAP_NET_RAW，且 ping_group_range {'–'.join(groups)} "
            f"不含用户组 {os.getegid()}。请执行 `{_SETCAP}`，或 "
            "`sysctl net.ipv4.ping_group_range='0 2147483647'`。",
        )
    return finding(
        "icmp", "fail", f"ICMP cannot be sent: `{_SETCAP}`.", f"无法发送 ICMP：请执行 `{_SETCAP}`。"
    )


def check_tcp() -> Finding:
    """Look which way TCP probes could be sent."""
    if _may_open(socket.SOCK_RAW, socket.IPPROTO_TCP):
        return finding("tcp", "ok", "TCP SYN probes can be sent.", "可发送 TCP SYN 探测。")
    return finding(
        "tcp",
        "warn",
        "Without CAP_NET_RAW TCP is measured by connect() with the program's own timestamps, "
        f"which is less exact: `{_SETCAP}`.",
        "没有 CAP_NET_RAW，TCP 改用 connect() 测量，由程序记录时间戳，精度较低："
        f"请执行 `{_SETCAP}`。",
    )


def _may_open(kind: int, protocol: int) -> bool:
    try:
        socket.socket(socket.AF_INET, kind, protocol).close()
    except OSError:
        return False
    return True


def check_reflector_port(*, running: bool) -> Finding:
    """Look whether STAMP's port can be had; a running agent has it."""
    port = f"UDP {STAMP_PORT}"
    if running:
        return finding(
            "stamp_port",
            "ok",
            f"The running agent uses {port}.",
            f"{port} 由运行中的探针使用。",
        )
    spec = ReflectorSpec(address="0.0.0.0", port=STAMP_PORT, peers=())  # noqa: S104 - as plans ask
    try:
        open_reflector_socket(spec).close()
    except IsochroneError as error:
        return Finding(check="stamp_port", status="fail", text=error.text)
    return finding("stamp_port", "ok", f"{port} is available.", f"{port} 可用。")


def _is_held(state_dir: Path) -> bool:
    """Tell whether an agent runs in this directory."""
    try:
        lock = os.open(state_dir / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def check_timestamps() -> Finding:
    """Send packets over loopback and look who timestamped them."""
    try:
        measured = calibrate()
    except OSError as error:
        return finding(
            "timestamps",
            "fail",
            f"Even loopback cannot be measured ({error.strerror}); bring `lo` up.",
            f"无法通过环回接口测量（{reason_of(error).zh}）；请启用 lo 接口。",
        )
    if measured.timestamping not in ("kernel", "hardware"):
        return finding(
            "timestamps",
            "warn",
            "The kernel delivers no timestamps; the program takes them, so delays grow with the "
            "machine's load. Use a newer kernel or another host.",
            "内核未提供时间戳，时延依据程序记录的时间戳，会随负载增大。请更换内核或主机。",
        )
    error_us = f"{measured.error_ns / 1e3:.1f} µs"
    return finding(
        "timestamps",
        "ok",
        f"The kernel timestamps packets; the error of one delay between two timestamps is "
        f"{error_us}.",
        f"报文由内核打时间戳；单次时延误差 {error_us}。",
    )


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
    shown = f"{datetime.fromtimestamp(now_ns / 1e9, UTC):%Y-%m-%d %H:%M} UTC"
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
            f"or check the controller's.",
            f"按本机时钟（{shown}）证书尚未生效；请校准本机时钟，或检查控制器的时钟。",
        )
    else:
        told = finding(
            "certificate",
            "ok",
            f"The certificate is valid for {counted(round(left_days), 'more day')} and is renewed "
            f"automatically.",
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
