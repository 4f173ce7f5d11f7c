"""The running controller: it listens, judges, begins anew or stops when told to."""

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
from controller.live.rounds import JUDGING
from controller.serving.key_watch import watch_keys
from controller.serving.reload import Signals
from controller.state import ControllerState
from controller.supervision.housekeeping import run_housekeeping
from foundation.errors import ConfigError
from foundation.service_manager import READY, STOPPING, Heartbeat, notify_manager
from foundation.text import language_of_environment
from topology.network import Network
from topology.site_file import load_network

Ended = TypeVar("Ended")

logger = logging.getLogger("isochrone.controller")

WATCH_EVERY_S = 2.0


def tls_context(listens: Sequence[Listen], state: ControllerState) -> ssl.SSLContext | None:
    """Return what TCP listeners speak (None: there is none). ConfigError without an authority."""
    over_tcp = [str(listen) for listen in listens if listen.unix is None]
    if not over_tcp:
        return None
    if state.authority is None:
        raise ConfigError(
            f"{', '.join(over_tcp)} speaks TLS, and there is no authority yet: make it with "
            "isochrone controller init --data DIR, or listen on unix:/PATH alone.",
            f"{', '.join(over_tcp)} 使用 TLS，但尚未初始化证书颁发机构：请先执行 "
            "isochrone controller init --data 数据目录，或只监听 unix:/路径。",
            listen=over_tcp,
        )
    state.authority.renew_server_in_time()
    return state.authority.server_context()


async def serve_on(
    sites: pathlib.Path, opened: Callable[[Network], ControllerState], listens: Sequence[Listen]
) -> None:
    """Serve what a site file says until SIGTERM or SIGINT; SIGHUP begins anew with the file.

    `opened` gives the state of a network. Raises what it and `serve` raise.
    """
    signals = Signals(sites)
    signals.listen()
    network: Network | None = load_network(sites)
    while network is not None and not signals.stopping:
        state = opened(network)
        # Of its 40 objects a stream nearly all stay as they are: looking through them for garbage
        # takes a third of a second for 90,000 streams, in which nothing else is done.
        gc.collect()
        gc.freeze()
        for warning in state.network.warnings:
            logger.warning("%s: %s", sites, warning.pick(language_of_environment()))
        try:
            network = await serve(state, listens, signals.wait)
        finally:
            state.close()
            del state  # before another one fills the memory
            gc.unfreeze()
            gc.collect()
        if network is not None:
            logger.info("beginning anew with %s", sites)
    notify_manager(STOPPING)


async def serve(
    state: ControllerState, listens: Sequence[Listen], until: Callable[[], Awaitable[Ended]]
) -> Ended:
    """Serve and judge until `until` ends; return what it returned.

    Raises ResourceError where it cannot listen, ConfigError for TCP without an authority.
    """
    context = tls_context(listens, state)
    async with served_on(make_app(state), listens, context, state.connections) as accept:
        notify_manager(READY)
        async with asyncio.TaskGroup() as tasks:
            loops = [
                tasks.create_task(_judge_forever(state), name="judging"),
                tasks.create_task(
                    run_housekeeping(
                        state.store, state.clock, state.watchdog, state.trust.forget_as_of_ns
                    ),
                    name="keeping",
                ),
                tasks.create_task(watch_keys(state, context), name="keys"),
                tasks.create_task(state.reporting.run(), name="reporting"),
                tasks.create_task(_watch_loops(state), name="watchdog"),
                tasks.create_task(Heartbeat().run(), name="service manager"),
                tasks.create_task(accept(), name="accepting"),
            ]
            ended = await until()
            for task in loops:
                task.cancel()
        return ended


async def _judge_forever(state: ControllerState) -> None:
    """Judge, and between two rounds let campaigns begin and end, on time."""
    judge_every_s = state.settings.judge_every_s
    while True:
        with state.watchdog.part(JUDGING, "round"):  # ingest goes on whatever is wrong here
            if not await _campaigns_judged(state):
                await state.rounds.make()
        await state.scheduler.wait_due(judge_every_s)


async def _campaigns_judged(state: ControllerState) -> bool:
    """Let campaigns begin and end; whether the plan changed, and so was judged already."""
    with state.watchdog.part(JUDGING, "campaigns"):  # what stands is judged all the same
        return await state.scheduler.look()
    return False


async def _watch_loops(state: ControllerState) -> None:
    """Tell as events what stands still, fails or goes on, for ever."""
    while True:
        changes = [*state.watchdog.changes(), *state.trust.changes(), *state.store_watch.changes()]
        if events := changes:
            state.bus.publish(events)
        await asyncio.sleep(WATCH_EVERY_S)
