"""What could keep this agent from measuring: every check in turn.

A check is its own function that raises nothing; it may open sockets for a moment, sends
nothing beyond this machine but a few requests to the controller, and changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

from agent.clock_watch import ClockWatch
from agent.config import load_config
from agent.doctor.controller_checks import (
    check_certificate,
    check_controller,
    check_duplicates,
    refusal_by_controller,
)
from agent.doctor.machine_checks import (
    check_icmp,
    check_local_addresses,
    check_reflector_port,
    check_tcp,
    check_timestamps,
)
from agent.policy.policy import Policy, PolicyConfig
from agent.state_directory import boot_in, is_held
from foundation.checkup import Finding, check_clock, check_directory, finding
from foundation.clock import SystemClock
from foundation.errors import ConfigError
from foundation.text import counted


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
        check_reflector_port(running=is_held(Path(config.state_dir))),
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
        running = boot_in(state_dir) if is_held(state_dir) else None
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
