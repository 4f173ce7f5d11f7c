"""A campaign measured from this machine: the controller's own parts and an engine, in one process.

The report is made from a snapshot, as that of a running controller is.
"""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import socket
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import numpy as np

from controller.campaigns.load import too_few
from controller.fleet.exclusions import Exclusions
from controller.live.accounts import Tally
from controller.live.snapshot import Snapshot
from controller.plans.planner import spec_of
from controller.reports.answers import answers_of
from controller.reports.report import Answers
from controller.settings import Settings
from controller.state import ControllerState, open_state
from controller.store.interface import StoreState
from foundation.clock import SystemClock
from foundation.errors import ConfigError, ResourceError
from foundation.text import Text
from probes.engine.engine import Engine, EngineHealth
from probes.stream import StreamSpec
from probes.window import WindowBatch
from topology.model import PlannedStream
from topology.site_file import load_network

ROUNDS_AFTER = 2  # of the last windows: a change is shown when the second one confirms it


async def measured_here(
    sites: pathlib.Path,
    *,
    window_s: float,
    duration_s: float,
    targets: Sequence[str],
    wait: Callable[[float], Awaitable[None]],
    tell: Callable[[Text], None],
) -> tuple[Answers, int]:
    """Measure the streams of a site file that begin here; return what a report is made of, and when
    measuring ended.

    `wait(duration_s)` passes the time; `tell` hears what is odd about the file and which streams
    cannot run; `targets` are those of the report, all where none is named. Raises ConfigError if no
    stream begins at an address of this machine, ResourceError if none can run.
    """
    network = load_network(sites)
    for warning in network.warnings:
        tell(warning)
    settings = Settings(
        judge_period_ns=round((duration_s + 60) * 1e9),
        judge_every_s=1.0,
        window_ms=round(min(window_s, duration_s) * 1000),
    )
    with tempfile.TemporaryDirectory(prefix="isochrone-campaign-") as folder:
        state = open_state(network, pathlib.Path(folder), settings, SystemClock())
        try:
            specs = [spec_of(stream) for stream in state.streams if _begins_here(stream)]
            if not specs:
                raise _nothing_here(sites)
            sent = {spec.stream_id for spec in specs}
            mine = [stream for stream in state.streams if stream.stream_id in sent]
            for note in too_few(network.targets, mine, duration_s):
                tell(note)
            state.silences.forget()  # no agent tells this controller anything
            async with _judging(state), _probing(state, specs, tell) as tally:
                await wait(duration_s)
            ended_ns = state.clock.wall_ns()
            for _ in range(ROUNDS_AFTER):
                await state.rounds.make()
            answers = await asyncio.to_thread(
                _answers, state.snapshot(), state.store.state(), tally, targets
            )
            return answers, ended_ns
        finally:
            state.close()


def _answers(now: Snapshot, store: StoreState, tally: Tally, targets: Sequence[str]) -> Answers:
    from_ns, to_ns = now.round.data_from_ns, now.round.data_to_ns
    bound = now.scope.streams_bound_by(targets)
    account = tally.account(from_ns, to_ns, now.scope.window_ns, bound)
    return answers_of(now, store, account)


def _begins_here(stream: PlannedStream) -> bool:
    """Return whether this machine may send from the stream's source address."""
    source = stream.path.source
    family = socket.AF_INET6 if source.ip_version == 6 else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as trial:
        trial.bind((source.address, 0))
        return True
    return False


def _nothing_here(sites: pathlib.Path) -> ConfigError:
    return ConfigError(
        f"No stream of {sites.name} begins at an address of this machine: give one of its sites an "
        "address of this machine, or name a running `controller`.",
        f"{sites.name} 中没有从本机地址出发的测量流：请把某个站点的地址写成本机地址，"
        "或指定一个正在运行的 `controller`。",
        file=str(sites),
    )


@contextlib.asynccontextmanager
async def _judging(state: ControllerState) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        judging = tasks.create_task(_judge(state), name="judging")
        yield
        judging.cancel()


async def _judge(state: ControllerState) -> None:
    while True:
        await state.rounds.make()
        await asyncio.sleep(state.settings.judge_every_s)


@contextlib.asynccontextmanager
async def _probing(
    state: ControllerState, specs: Sequence[StreamSpec], tell: Callable[[Text], None]
) -> AsyncIterator[Tally]:
    """Probe; the tally of what comes of it is whole when the block has ended."""
    loop = asyncio.get_running_loop()
    here = np.isin(state.catalogue.stream_id, [spec.stream_id for spec in specs])
    excluded = Exclusions(state.maintenance.now, state.silences.now)
    tally = Tally(state.streams, excluded, here)

    def take(batch: WindowBatch) -> None:
        state.memory.add(batch)
        tally.add(batch)

    def deliver(batch: WindowBatch) -> None:
        loop.call_soon_threadsafe(take, batch)

    window_ns = state.settings.window_ms * 1_000_000
    engine = Engine(specs, window_ns=window_ns, on_windows=deliver)
    engine.start()
    try:
        _report_refused(engine.health(), tell)
        yield tally
    finally:
        await asyncio.to_thread(engine.stop)


def _report_refused(health: EngineHealth, tell: Callable[[Text], None]) -> None:
    """Say why streams cannot run, once a reason. Raises ResourceError if none can."""
    by_destination = {spec.destination: why for spec, why in health.refused.items()}
    reasons = Counter(by_destination.values())
    for reason, destinations in reasons.items():
        if not health.streams:
            raise ResourceError(reason.en, reason.zh)
        tell(
            Text(
                f"Streams to {destinations} destinations are not run: {reason.en}",
                f"到 {destinations} 个目的地的测量流未运行：{reason.zh}",
            )
        )
