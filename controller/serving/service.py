"""The running controller: it listens, judges, starts afresh or stops when told to."""

from __future__ import annotations

import asyncio
import gc
import logging
import pathlib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from controller.api.application import make_app
from controller.api.server.addresses import Listen
from controller.api.server.server import served_on
from controller.api.services import Services
from controller.live.rounds import JUDGING
from controller.serving.key_watch import watch_keys
from controller.serving.reload import Signals
from controller.supervision.housekeeping import run_housekeeping
from foundation.errors import ConfigError
from foundation.service_manager import READY, STOPPING, Heartbeat, notify_manager
from foundation.text import language_of_environment
from topology.network import Network
from topology.site_file import load_network

Ended = TypeVar("Ended")

logger = logging.getLogger("isochrone.controller")

WATCH_EVERY_S = 2.0


def tls_context(listens: Sequence[Listen], services: Services) -> ssl.SSLContext | None:
    """Return what TCP listeners speak (None: there is none). ConfigError without an authority."""
    over_tcp = [str(listen) for listen in listens if listen.unix is None]
    if not over_tcp:
        return None
    if services.authority is None:
        raise ConfigError(
            f"{', '.join(over_tcp)} uses TLS, but there is no authority yet: create it with "
            f"isochrone controller init --data DIR, or listen only on unix:/PATH.",
            f"{', '.join(over_tcp)} 使用 TLS，但尚未初始化证书颁发机构：请先执行 "
            "isochrone controller init --data 数据目录，或只监听 unix:/路径。",
            listen=over_tcp,
        )
    services.authority.renew_server_in_time()
    return services.authority.server_context()


async def serve_on(
    sites: pathlib.Path, opened: Callable[[Network], Services], listens: Sequence[Listen]
) -> None:
    """Serve what a site file says until SIGTERM or SIGINT; SIGHUP starts afresh with the file.

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
            logger.info("starting afresh with %s", sites)
    notify_manager(STOPPING)


async def serve(
    services: Services, listens: Sequence[Listen], until: Callable[[], Awaitable[Ended]]
) -> Ended:
    """Serve and judge until `until` ends; return what it returned.

    Raises ResourceError where it cannot listen, ConfigError for TCP without an authority.
    """
    context = tls_context(listens, services)
    async with served_on(make_app(services), listens, context, services.connections) as accept:
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
                tasks.create_task(accept(), name="accepting"),
            ]
            ended = await until()
            for task in loops:
                task.cancel()
        return ended


async def _judge_forever(services: Services) -> None:
    """Judge, and between two rounds let campaigns begin and end, on time."""
    while True:
        with services.watchdog.part(JUDGING, "round"):  # ingest continues whatever is wrong here
            if not await _campaigns_judged(services):
                await services.rounds.make()
        await services.scheduler.wait_due()


async def _campaigns_judged(services: Services) -> bool:
    """Let campaigns begin and end; whether the plan changed, and so was judged already."""
    with services.watchdog.part(JUDGING, "campaigns"):  # what stands is judged all the same
        return await services.scheduler.look()
    return False


async def _watch_loops(services: Services) -> None:
    """Tell as events what stands still, fails or continues, for ever."""
    while True:
        changes = [
            *services.watchdog.changes(),
            *services.trust.changes(),
            *services.store_watch.changes(),
        ]
        if events := changes:
            services.bus.publish(events)
        await asyncio.sleep(WATCH_EVERY_S)
