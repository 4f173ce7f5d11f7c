"""A campaign measured from this machine: the controller's own parts and an engine, in one process.

The report is made from a snapshot, as that of a running controller is.
"""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import numpy as np

from controller.campaigns.load import too_few
from controller.fleet.agents import Fleet
from controller.fleet.exclusions import Exclusions
from controller.fleet.maintenance import Maintenance
from controller.fleet.silences import Silences
from controller.live.accounts import Tally
from controller.live.baseline_comparator import BaselineComparator
from controller.live.live_verdicts import LiveVerdicts
from controller.live.memory import RecentWindows
from controller.live.rounds import JUDGING
from controller.live.scope import scope_of
from controller.live.snapshot import Operation, Snapshot
from controller.plans.planner import make_plans, spec_of
from controller.reports.answers import answers_of
from controller.reports.report import Answers
from controller.settings import VERSION
from controller.store.interface import StoreState
from controller.supervision.clock_trust import Steady
from controller.supervision.watchdog import Watchdog
from foundation.clock import SystemClock
from foundation.errors import ConfigError, ResourceError
from foundation.text import Text
from probes.engine.engine import Engine, EngineHealth
from probes.stream import StreamSpec
from probes.window import WindowBatch
from topology.mesh import plan_streams
from topology.model import PlannedStream
from topology.network import Network
from topology.site_file import load_network
from topology.targets import demands as make_demands

JUDGE_EVERY_S = 1.0
NO_STORE = StoreState(
    engine="none", state="ok", reason=None, queued_writes=0, size_bytes=None, free_bytes=None
)
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
    here = _Judging(network, round(min(window_s, duration_s) * 1000), duration_s)
    specs = [spec_of(stream) for stream in here.scope.streams if _begins_here(stream)]
    if not specs:
        raise _nothing_here(sites)
    sent = {spec.stream_id for spec in specs}
    mine = [stream for stream in here.scope.streams if stream.stream_id in sent]
    for note in too_few(network.targets, mine, duration_s):
        tell(note)
    async with here.judging(), _probing(here, specs, tell) as tally:
        await wait(duration_s)
    ended_ns = here.clock.wall_ns()
    for _ in range(ROUNDS_AFTER):
        await here.judge()
    answers = await asyncio.to_thread(_answers, here.snapshot(), tally, targets)
    return answers, ended_ns


class _Judging:
    """What judges the streams of a site file, from memory alone: no agent, no store, no keys."""

    def __init__(self, network: Network, window_ms: int, duration_s: float) -> None:
        self.clock = clock = SystemClock()
        self._started_ns = clock.wall_ns()
        streams = plan_streams(network)
        demands, window_ns = make_demands(network, streams), window_ms * 1_000_000
        self.scope = scope_of(network, streams, demands, window_ns=window_ns)
        self._plans = make_plans(network, streams, window_ms)
        self._period_ns = round((duration_s + 60) * 1e9)
        self._fleet, self._watchdog = Fleet(self._plans, {}, clock), Watchdog(clock)
        self.memory = RecentWindows(self.scope.stream_ids, self._period_ns)
        comparator = BaselineComparator(demands, streams)
        self._live = LiveVerdicts(self.scope, (), self._started_ns, comparator, clock=clock)
        self.excluded = Exclusions(
            Maintenance((), self.scope.path_index), Silences({}, self.scope.stream_index)
        )

    @contextlib.asynccontextmanager
    async def judging(self) -> AsyncIterator[None]:
        """Judge every second while the block lasts."""
        async with asyncio.TaskGroup() as tasks:
            judging = tasks.create_task(self._judge_forever(), name="judging")
            yield
            judging.cancel()

    async def _judge_forever(self) -> None:
        while True:
            await self.judge()
            await asyncio.sleep(JUDGE_EVERY_S)

    async def judge(self) -> None:
        """Make a round; what raises is logged, and what was judged last stands."""
        with self._watchdog.part(JUDGING, "verdicts"):
            await self._live.judge_now(self.memory, self._fleet.now(), watchdog=self._watchdog)

    def snapshot(self) -> Snapshot:
        """Return how everything is."""
        return Snapshot(
            at_ns=self.clock.wall_ns(),
            scope=self.scope,
            fleet=self._fleet.now(),
            maintenance=self.excluded.maintenance,
            silences=self.excluded.silences,
            started_ns=self._started_ns,
            judge_period_ns=self._period_ns,
            round=self._live.latest,
            logged={},
            looked_ns=None,
            plans=self._plans,
            duplicates={},
            campaigns={},
            baseline=None,
            baseline_fault=None,
            steady=Steady(for_ns=0),
            operation=Operation(version=VERSION, failing=self._watchdog.failing()),
        )


def _answers(now: Snapshot, tally: Tally, targets: Sequence[str]) -> Answers:
    from_ns, to_ns = now.round.data_from_ns, now.round.data_to_ns
    bound = now.scope.streams_bound_by(targets)
    account = tally.account(from_ns, to_ns, now.scope.window_ns, bound)
    return answers_of(now, NO_STORE, account)


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
async def _probing(
    here: _Judging, specs: Sequence[StreamSpec], tell: Callable[[Text], None]
) -> AsyncIterator[Tally]:
    """Probe; the tally of what comes of it is whole when the block has ended."""
    loop, scope = asyncio.get_running_loop(), here.scope
    measured = np.isin(scope.catalogue.stream_id, [spec.stream_id for spec in specs])
    tally = Tally(scope.streams, here.excluded, measured)

    def take(batch: WindowBatch) -> None:
        here.memory.add(batch)
        tally.add(batch)

    def deliver(batch: WindowBatch) -> None:
        loop.call_soon_threadsafe(take, batch)

    engine = Engine(specs, window_ns=scope.window_ns, on_windows=deliver)
    engine.start()
    try:
        tell_refused(engine.health(), tell)
        yield tally
    finally:
        await asyncio.to_thread(engine.stop)


def tell_refused(health: EngineHealth, tell: Callable[[Text], None]) -> None:
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
