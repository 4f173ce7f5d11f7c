"""What could keep this controller from serving: one thing after another, changing nothing."""

from __future__ import annotations

import errno
import math
import os
import pathlib
import resource
import socket
from collections.abc import Sequence

from controller.api.server.addresses import Listen
from controller.data_directory import is_held
from controller.store.engines import examine_store, store_url
from foundation.checkup import Finding, Status, check_directory, finding
from foundation.errors import IsochroneError
from foundation.reasons import reason_of
from foundation.text import counted
from probes.clocks.kernel import kernel_clock_bound_ns
from topology.network import Network
from topology.site_file import load_network

_ROOM_BYTES = 2 << 30
_FILES_A_HUNDRED_AGENTS = 512  # a control channel and some deliveries each
_PATIENCE_S = 3.0


def examine(sites: pathlib.Path, data: pathlib.Path, listens: Sequence[Listen]) -> list[Finding]:
    """Return what was found."""
    running = is_held(data)
    return [
        *check_sites(sites),
        check_directory("data", data, _ROOM_BYTES),
        *check_store(data),
        *(check_listen(listen, data, running=running) for listen in listens),
        check_open_files(),
        check_clock(kernel_clock_bound_ns()),
    ]


def check_sites(sites: pathlib.Path) -> list[Finding]:
    """Read the site file; each of its warnings is told."""
    try:
        network: Network = load_network(sites)
    except IsochroneError as error:
        return [Finding(check="sites", status="fail", text=error.text)]
    agents = sum(not site.external for site in network.sites.values())
    found = finding(
        "sites", "ok", f"{sites}: {counted(agents, 'agent')}.", f"{sites}：{agents} 个探针。"
    )
    return [found, *(Finding(check="sites", status="warn", text=one) for one in network.warnings)]


def check_store(data: pathlib.Path) -> list[Finding]:
    """Look at the store that is there."""
    found = examine_store(store_url(data))
    if found is None:
        return []
    status: Status = "ok" if found.sound else "fail"
    return [Finding(check="store", status=status, text=found.text)]


def check_listen(listen: Listen, data: pathlib.Path, *, running: bool) -> Finding:
    """Look whether an address can be listened on, or the running controller answers there."""
    name = str(listen)
    if running:
        return _answering(listen, name)
    try:
        with _socket_for(listen) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if listen.unix is None:
                trial.bind((listen.host, listen.port))
            elif listen.unix.parent.exists():
                if not os.access(listen.unix.parent, os.W_OK | os.X_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            elif listen.unix.parent.absolute() != data.absolute():  # that one is made at the start
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    except OSError as error:
        return finding(
            "listen",
            "fail",
            f"Cannot listen on {name} ({error.strerror}); choose another address with "
            "--listen, or stop what uses it.",
            f"无法监听 {name}（{reason_of(error).zh}）；请用 --listen 选择其他地址，"
            "或停止占用它的进程。",
        )
    return finding("listen", "ok", f"Can listen on {name}.", f"{name} 可监听。")


def _answering(listen: Listen, name: str) -> Finding:
    try:
        with _socket_for(listen) as trial:
            trial.settimeout(_PATIENCE_S)
            where = str(listen.unix) if listen.unix is not None else (listen.host, listen.port)
            trial.connect(where)
    except OSError as error:
        return finding(
            "listen",
            "fail",
            f"A controller runs in this data directory and does not answer on {name} "
            f"({error.strerror or error}); was it started with another --listen?",
            f"该数据目录的控制器正在运行，但 {name} 无应答（{reason_of(error).zh}）；"
            "启动时是否使用了其他 --listen？",
        )
    return finding("listen", "ok", f"The controller answers on {name}.", f"控制器在 {name} 应答。")


def _socket_for(listen: Listen) -> socket.socket:
    if listen.unix is not None:
        return socket.socket(socket.AF_UNIX)
    return socket.socket(socket.AF_INET6 if ":" in listen.host else socket.AF_INET)


def check_open_files() -> Finding:
    """Look whether enough agents can be connected at once."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = soft == resource.RLIM_INFINITY
    if not unlimited and soft < _FILES_A_HUNDRED_AGENTS:
        return finding(
            "open_files",
            "warn",
            f"{soft} files may be open at once, too few for a hundred agents; raise it with "
            "LimitNOFILE= in the unit.",
            f"最多可同时打开 {soft} 个文件，不足以支撑一百个探针；"
            "请在服务单元中用 LimitNOFILE= 调高。",
        )
    return finding(
        "open_files", "ok", f"{soft} files may be open at once.", f"最多可同时打开 {soft} 个文件。"
    )


def check_clock(bound_ns: float) -> Finding:
    """Look whether the clock is synchronised: windows from the future are refused by it."""
    if math.isnan(bound_ns):
        return finding(
            "clock",
            "warn",
            "The clock is not synchronised; windows of agents whose clocks are right may seem to "
            "come from the future and be refused. Run chronyd or another time daemon.",
            "时钟未同步；时钟准确的探针所报数据可能被视为来自未来而遭拒收。"
            "请运行 chronyd 等对时服务。",
        )
    bound = f"{bound_ns / 1e6:.0f} ms"
    return finding(
        "clock", "ok", f"The clock is off by at most {bound}.", f"时钟误差不超过 {bound}。"
    )
