"""Whether this machine lets an agent send, listen and timestamp."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

from agent.config import AgentConfig
from foundation.checkup import Finding, finding
from foundation.errors import IsochroneError
from foundation.reasons import reason_of
from probes.clocks.calibrate import calibrate
from probes.reflector.listening import open_reflector_socket
from probes.reflector.spec import ReflectorSpec
from probes.sockets.opening import is_ours
from probes.stamp.sizes import STAMP_PORT

_PING_GROUPS = Path("/proc/sys/net/ipv4/ping_group_range")
_SETCAP = "setcap cap_net_raw,cap_net_bind_service+ep"


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
                "check `ip address`.",
                f"{local} 应对应 {public}（1:1 NAT），但不是本机地址；请用 `ip address` 检查。",
            )
        found.append(told)
    return found


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


def _may_open(kind: int, protocol: int) -> bool:
    try:
        socket.socket(socket.AF_INET, kind, protocol).close()
    except OSError:
        return False
    return True
