"""The running controller: it listens, judges, begins anew or stops when told to."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import pathlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from aiohttp import web

from controller.access.authority import authority_exists
from controller.api.application import make_app
from controller.api.server.listening import IDLE_S, TlsListener, bind
from controller.api.server.malformed_requests import http_logger
from controller.api.services import Services
from controller.live.rounds import JUDGING
from controller.serving.key_watch import watch_keys
from controller.serving.reload import Signals
from controller.supervision.housekeeping import run_housekeeping
from foundation.errors import ConfigError, ResourceError, RightsError, UsageError
from foundation.literals import AddressError, read_address
from foundation.private_files import FILE_MODE
from foundation.reasons import reason_of
from foundation.service_manager import READY, STOPPING, Heartbeat, notify_manager
from foundation.text import language_of_environment
from messages.controller_url import socket_path
from topology.network import Network
from topology.site_file import load_network

Ended = TypeVar("Ended")

logger = logging.getLogger("isochrone.controller")

SHUTDOWN_S = 5.0
WATCH_EVERY_S = 2.0
DEFAULT_LISTEN = "127.0.0.1:8780"
SOCKET_NAME = "controller.sock"


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen: a host and port, or a unix socket."""

    host: str = ""
    port: int = 0
    unix: pathlib.Path | None = None

    def __str__(self) -> str:
        if self.unix is not None:
            return f"unix:{self.unix}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listens_of(texts: Sequence[str], data: pathlib.Path) -> list[Listen]:
    """Return where to listen: as asked, else the data directory's socket and TLS on loopback.

    Raises ConfigError.
    """
    if texts:
        return [parse_listen(text) for text in texts]
    usual = [Listen(unix=data.absolute() / SOCKET_NAME)]
    return [*usual, parse_listen(DEFAULT_LISTEN)] if authority_exists(data) else usual


def parse_listen(text: str) -> Listen:
    """Return ``host:port``, ``[v6]:port`` or ``unix:/path`` as a Listen. Raises ConfigError."""
    path = socket_path(text)
    if path:
        return Listen(unix=pathlib.Path(path))
    host, _, port = text.rpartition(":")
    if path is None and host and port.isdecimal() and int(port) <= 65_535:
        try:
            address = read_address(host)  # where there is none, it is a name
        except AddressError as error:
            raise UsageError(
                f"--listen: {error.text.en}.", f"--listen：{error.text.zh}。", listen=text
            ) from error
        return Listen(host=host if address is None else str(address), port=int(port))
    raise UsageError(
        f"--listen {text} is not understood; write 127.0.0.1:8780, [::1]:8780 or "
        "unix:/run/isochrone.sock.",
        f"无法识别 --listen {text}；请写成 127.0.0.1:8780、[::1]:8780 或 "
        "unix:/run/isochrone.sock。",
        listen=text,
    )


def tls_context(listens: Sequence[Listen], services: Services) -> ssl.SSLContext | None:
    """Return what TCP listeners speak (None: there is none). ConfigError without an authority."""
    over_tcp = [str(listen) for listen in listens if listen.unix is None]
    if not over_tcp:
        return None
    if services.authority is None:
        raise ConfigError(
            f"{', '.join(over_tcp)} speaks TLS, and there is no authority yet: make it with "
            "isochrone controller init --data DIR, or listen on unix:/PATH alone.",
            f"{', '.join(over_tcp)} 使用 TLS，但尚未初始化证书颁发机构：请先执行 "
            "isochrone controller init --data 数据目录，或只监听 unix:/路径。",
            listen=over_tcp,
        )
    services.authority.renew_server_in_time()
    return services.authority.server_context()


async def serve_on(
    sites: pathlib.Path, opened: Callable[[Network], Services], listens: Sequence[Listen]
) -> None:
    """Serve what a site file says until SIGTERM or SIGINT; SIGHUP begins anew with the file.

    `opened` gives the services for a network. Raises what it and `serve` raise.
    """
    signals = Signals(sites)
    signals.listen()
    network: Network | None = load_network(sites)
    while network is not None and not signals.stopping:
        services = opened(network)
        # Of its 40 objects a stream nearly all stay as they are: looking through them for garbage
        # takes a third of a second for 90,000 streams, in which nothing else is done.
        gc.collect()
        gc.freeze()
        for warning in services.rounds.scope.network.warnings:
            logger.warning("%s: %s", sites, warning.pick(language_of_environment()))
        try:
            network = await serve(services, listens, signals.wait)
        finally:
            services.close()
            del services  # before another one fills the memory
            gc.unfreeze()
            gc.collect()
        if network is not None:
            logger.info("beginning anew with %s", sites)
    notify_manager(STOPPING)


async def serve(
    services: Services, listens: Sequence[Listen], until: Callable[[], Awaitable[Ended]]
) -> Ended:
    """Serve and judge until `until` ends; return what it returned.

    Raises ResourceError where it cannot listen, ConfigError for TCP without an authority.
    """
    context = tls_context(listens, services)
    runner = web.AppRunner(
        make_app(services),
        access_log=None,
        logger=http_logger,
        shutdown_timeout=SHUTDOWN_S,
        auto_decompress=False,
        keepalive_timeout=IDLE_S,
    )
    await runner.setup()
    bound: list[socket.socket] = []
    try:
        for listen in listens:
            opened = await _start(runner, listen)
            bound += opened
            logger.info("listening on %s", _listening_on(listen, opened))
        notify_manager(READY)
        async with asyncio.TaskGroup() as tasks:
            loops = [
                tasks.create_task(_judge_forever(services), name="judging"),
                tasks.create_task(
                    run_housekeeping(
                        services.store,
                        services.clock,
                        services.watchdog,
                        services.trust.forget_as_of_ns,
                    ),
                    name="keeping",
                ),
                tasks.create_task(watch_keys(services, context), name="keys"),
                tasks.create_task(services.reporting.run(), name="reporting"),
                tasks.create_task(_watch_loops(services), name="watchdog"),
                tasks.create_task(Heartbeat().run(), name="service manager"),
            ]
            if context is not None and runner.server is not None:
                door = TlsListener(context, services.connections)
                loops.append(tasks.create_task(door.run(runner.server, bound), name="accepting"))
            ended = await until()
            for task in loops:
                task.cancel()
        return ended
    finally:
        for listener in bound:
            listener.close()
        await runner.cleanup()


async def _judge_forever(services: Services) -> None:
    """Judge, and between two rounds let campaigns begin and end, on time."""
    judge_every_s = services.settings.judge_every_s
    while True:
        with services.watchdog.part(JUDGING, "round"):  # ingest goes on whatever is wrong here
            if not await _campaigns_judged(services):
                await services.rounds.make()
        await services.scheduler.wait_due(judge_every_s)


async def _campaigns_judged(services: Services) -> bool:
    """Let campaigns begin and end; whether the plan changed, and so was judged already."""
    with services.watchdog.part(JUDGING, "campaigns"):  # what stands is judged all the same
        return await services.scheduler.look()
    return False


async def _watch_loops(services: Services) -> None:
    """Tell as events what stands still, fails or goes on, for ever."""
    while True:
        changes = [
            *services.watchdog.changes(),
            *services.trust.changes(),
            *services.store_watch.changes(),
        ]
        if events := changes:
            services.bus.publish(events)
        await asyncio.sleep(WATCH_EVERY_S)


async def _start(runner: web.AppRunner, listen: Listen) -> list[socket.socket]:
    """Listen. The sockets of TCP are returned: they have a loop of accepting of their own."""
    try:
        if listen.unix is None:
            return await bind(listen.host, listen.port)
        _remove_stale(listen.unix)
        await web.SockSite(runner, _bound(listen.unix)).start()
        return []
    except OSError as error:
        raise _cannot_listen(listen, error) from error


def _bound(path: pathlib.Path) -> socket.socket:
    """Return a socket bound to `path`, which from its first moment is its owner's alone.

    Who may open it may do everything. Linux gives the file what the socket may before it is bound;
    the umask is the whole process's, and threads make files meanwhile.
    """
    bound = socket.socket(socket.AF_UNIX)
    try:
        os.fchmod(bound.fileno(), FILE_MODE)
        bound.bind(str(path))
        path.chmod(FILE_MODE)  # whatever the umask took
    except OSError:
        bound.close()
        raise
    return bound


def _listening_on(listen: Listen, opened: Sequence[socket.socket]) -> str:
    """Return where is listened: with the port that the kernel chose."""
    return str(replace(listen, port=opened[0].getsockname()[1]) if opened else listen)


def _remove_stale(path: pathlib.Path) -> None:
    """Remove a socket file that nobody listens on; one that answers is in use."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _cannot_listen(listen: Listen, error: OSError) -> ResourceError | RightsError:
    if error.errno == errno.EADDRINUSE:
        return ResourceError(
            f"{listen} is in use by another process; stop it or choose another address with "
            "--listen.",
            f"{listen} 已被其他进程占用；请停止该进程，或用 --listen 选择其他地址。",
            listen=str(listen),
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return RightsError(
            f"This user may not listen on {listen}; choose a port above 1023 or another directory.",
            f"当前用户无权监听 {listen}；请选择 1023 以上的端口或其他目录。",
            listen=str(listen),
        )
    reason = reason_of(error)
    if listen.unix is not None:
        return ResourceError(
            f"{listen} cannot be listened on ({reason.en}); make its directory, or choose another.",
            f"无法监听 {listen}（{reason.zh}）；请创建该目录或换一个目录。",
            listen=str(listen),
        )
    return ResourceError(
        f"{listen} cannot be listened on ({reason.en}); choose an address of this machine.",
        f"无法监听 {listen}（{reason.zh}）；请选择本机的地址。",
        listen=str(listen),
    )
