"""The agent as a process: its parts put together, kept running, and stopped without loss."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from agent.answering import JOURNAL_FILE, AnswerJournal
from agent.claim import Claim
from agent.clock_watch import ClockWatch
from agent.conditions import Conditions
from agent.config import AgentConfig
from agent.health import HealthReporter
from agent.measuring import Measuring
from agent.plan_file import KEYS_FILE, PLAN_FILE, load_keys, load_plan, save_keys, save_plan
from agent.plan_trial import PlanTrial
from agent.policy import Policy
from agent.reload import Reload
from agent.self_test import SelfTest
from agent.spooler import Spooler
from foundation.clock import SystemClock
from foundation.errors import ConfigError, ResourceError
from foundation.private_files import make_private_directory, make_private_file
from foundation.reasons import reason_of
from foundation.service_manager import READY, STOPPING, keep_telling, tell_manager
from foundation.text import Text
from messages.controller_url import socket_path
from messages.exchange import Plan, StampKeys
from messages.sections.windows import WINDOWS

if TYPE_CHECKING:
    from agent.credentials import Credentials

_MARKS = ("lock", "spool.sqlite3", "trust")  # what is in a state directory alone
_CERTIFICATE = Path("trust", "agent.pem")  # as agent.trust has it, which is loaded later
DRAIN_S = 5.0  # how long a stopping agent tries to deliver its last windows


async def run_agent(config: AgentConfig, config_path: Path) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP lets `config_path` be read again.

    ResourceError if the state directory cannot be used, ConfigError if the agent is not enrolled.
    """
    state_dir = Path(config.state_dir)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with _sole_use_of(state_dir) as say_boot:
        if not (state_dir / _CERTIFICATE).exists():
            _credentials(config)  # says what is missing, before anything is measured
        spooler = Spooler(
            state_dir / "spool.sqlite3",
            agent=config.name,
            max_bytes=config.spool.max_bytes,
            max_age_s=config.spool.max_age_s,
        )
        say_boot(spooler.boot)
        try:
            await _run_parts(config, config_path, spooler, stop, say_boot)
        finally:
            await asyncio.to_thread(spooler.close)


async def _run_parts(
    config: AgentConfig,
    config_path: Path,
    spooler: Spooler,
    stop: asyncio.Event,
    say_boot: Callable[[str], None],
) -> None:
    clock, conditions = SystemClock(), Conditions()
    clock_watch, self_test = ClockWatch(config.clock, clock), SelfTest(conditions)
    await asyncio.to_thread(clock_watch.look)
    journal = AnswerJournal(Path(config.state_dir) / JOURNAL_FILE, clock)
    measuring = Measuring(
        on_windows=functools.partial(spooler.add, WINDOWS),
        clock=clock,
        own_clock_bound_ns=clock_watch.bound_ns,
        timestamp_shift_ns=round(config.clock.timestamp_shift_us * 1e3),
        conditions=conditions,
        policy=Policy(config.policy),
        book=spooler.book,
        settle=lambda: asyncio.wrap_future(spooler.call(spooler.do_settle)),
        journal=journal,
        local_addresses=config.local_addresses,
    )
    reload = Reload(
        config_path,
        config,
        conditions,
        measuring=measuring,
        spooler=spooler,
        clock_watch=clock_watch,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload.ask)
    state_dir = Path(config.state_dir)
    trial = PlanTrial(state_dir)
    await _resume(state_dir, config.name, measuring, trial, conditions)
    # Measuring begins before TLS and the HTTP client are loaded, which takes longer than all that
    # was before it.
    try:
        credentials = await asyncio.to_thread(_credentials, config)
    except ConfigError:
        await measuring.stop()
        raise
    await asyncio.to_thread(self_test.look)
    from importlib.metadata import version

    from agent.control import Control
    from agent.link import open_session
    from agent.uplink import Uplink

    health = HealthReporter(
        version=version("isochrone"),
        measuring=measuring,
        spooler=spooler,
        conditions=conditions,
        clock=clock,
        clock_watch=clock_watch,
        self_test=self_test,
    )
    session, base = open_session(
        config.controller,
        None if credentials is None else credentials.context,
        config.proxy,
    )
    base = f"{base}/api/v1/agents/{config.name}"
    async with session:
        claim = Claim()
        uplink = Uplink(session, f"{base}/chunks", spooler, conditions, claim=claim)
        loop = asyncio.get_running_loop()
        spooler.on_stored = lambda: _call_soon(loop, uplink.wake)
        control = Control(
            session,
            f"{base}/control",
            config.name,
            conditions,
            health=health.report,
            on_plan=_plan_taker(state_dir, measuring, conditions),
            on_revoked=lambda: _give_up_keys(state_dir, measuring),
            on_copied=lambda: _begin_boot(spooler, say_boot),
            curtailed=measuring.curtailed,
            claim=claim,
            gate=None if credentials is None else credentials.plan_gate(lambda: measuring.plan),
        )
        more: dict[str, Callable[[], Awaitable[None]]] = {}
        if credentials is not None:
            renewal = credentials.renewal(session, f"{base}/certificate", conditions, clock)
            more["renewal"] = renewal.run
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(control.run(), name="control")
            try:
                tell_manager(READY)
                await _until(
                    stop,
                    {
                        "measuring": measuring.run,
                        "uplink": uplink.run,
                        "health": lambda: _watch(health),
                        "clock": clock_watch.run,
                        "self-test": self_test.run,
                        "reload": reload.run,
                        "plan trial": lambda: trial.survives(lambda: measuring.plan is not None),
                        "watchdog": lambda: keep_telling(measuring.lives),
                        **more,
                    },
                )
            finally:
                tell_manager(STOPPING)
                await asyncio.to_thread(trial.passed)
                await measuring.stop()
                await asyncio.wrap_future(spooler.call(spooler.do_flush))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    await uplink.drain()
                    await control.say_last()
            talking.cancel()


def _credentials(config: AgentConfig) -> Credentials | None:
    """Return what is shown to the controller; on a unix socket nothing has to be loaded for it."""
    if socket_path(config.controller) is not None:
        return None
    from agent.credentials import credentials_of

    return credentials_of(config)


async def _until(stop: asyncio.Event, parts: dict[str, Callable[[], Awaitable[None]]]) -> None:
    """Run all parts as named tasks until `stop` is set; a part that breaks stops the others."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_as_task(part), name=name) for name, part in parts.items()]
        await stop.wait()
        for task in tasks:
            task.cancel()


async def _as_task(part: Callable[[], Awaitable[None]]) -> None:
    await part()


async def _resume(
    state_dir: Path, agent: str, measuring: Measuring, trial: PlanTrial, conditions: Conditions
) -> None:
    """Measure by the plan of the last run until the controller sends another, unless that plan has
    ended this agent before."""
    plan = await asyncio.to_thread(load_plan, state_dir / PLAN_FILE, agent)
    if plan is None:
        path = state_dir / PLAN_FILE
        if await asyncio.to_thread(os.path.lexists, path):  # a link into nowhere, too
            conditions.begin("plan_not_resumed", "error", _unusable(path))
        return
    measuring.note_absence([(spec.address, spec.port) for spec in plan.reflectors])
    if not await asyncio.to_thread(trial.begins):
        conditions.begin("plan_not_resumed", "error", trial.told(plan))
    elif measuring.plan is None:
        await measuring.apply(plan, await asyncio.to_thread(load_keys, state_dir / KEYS_FILE))


def _unusable(path: Path) -> Text:
    return Text(
        f"The saved plan {path} is damaged, or another agent's; nothing is measured until the "
        "controller sends one.",
        f"已保存的测量计划 {path} 已损坏，或属于其他探针；在控制器下发新计划之前不进行任何测量。",
    )


async def _give_up_keys(state_dir: Path, measuring: Measuring) -> None:
    """Send no more authenticated probes: nobody answers those of an agent that was revoked, and
    that would look like loss."""
    if measuring.plan is None or measuring.keys is None:
        return
    with contextlib.suppress(OSError):
        await asyncio.to_thread(save_keys, state_dir / KEYS_FILE, None)
    await measuring.apply(measuring.plan, None)


def _begin_boot(spooler: Spooler, say_boot: Callable[[str], None]) -> None:
    spooler.begin_boot()
    say_boot(spooler.boot)


async def _watch(health: HealthReporter) -> None:
    """Look after the spool's disk even while no controller asks for health."""
    while True:
        await asyncio.sleep(30.0)
        await health.report()


def _plan_taker(
    state_dir: Path, measuring: Measuring, conditions: Conditions
) -> Callable[[Plan, StampKeys | None], Awaitable[None]]:
    path = state_dir / PLAN_FILE

    async def take(plan: Plan, keys: StampKeys | None) -> None:
        if (plan, keys) == (measuring.plan, measuring.keys):
            return
        try:
            await asyncio.to_thread(save_keys, state_dir / KEYS_FILE, keys)
            if plan != measuring.plan:
                await asyncio.to_thread(save_plan, path, plan)
        except OSError as error:
            conditions.begin(
                "plan_file",
                "warning",
                Text(
                    f"The plan cannot be kept in {path} ({error.strerror}); after a restart "
                    "without the controller nothing would be measured. Free space there.",
                    f"无法将测量计划保存到 {path}（{reason_of(error).zh}）；"
                    "若在控制器不可达时重启，测量将无法进行。请清理磁盘空间。",
                ),
            )
        else:
            conditions.end("plan_file")
        conditions.end("plan_not_resumed")
        await measuring.apply(plan, keys)

    return take


def _call_soon(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: the agent has stopped
        loop.call_soon_threadsafe(callback)


@contextlib.contextmanager
def _sole_use_of(state_dir: Path) -> Iterator[Callable[[str], None]]:
    """Make the state directory and hold its lock; yields what writes into that who holds it."""
    try:
        make_private_directory(state_dir, _MARKS)
        make_private_file(state_dir / "lock")
        lock = os.open(state_dir / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise ResourceError(
            f"state_dir {state_dir} cannot be used: {error.strerror}. Check its permissions and "
            "the free space of its disk.",
            f"无法使用 state_dir {state_dir}：{reason_of(error).zh}。请检查权限和磁盘剩余空间。",
            file=str(state_dir),
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise ResourceError(
            f"Another agent runs in {state_dir}; stop it, or give this one a state_dir of its own.",
            f"{state_dir} 已被另一个探针占用；请先停止它，或为本探针指定其他 state_dir。",
            file=str(state_dir),
        ) from error
    try:
        yield lambda boot: _write_whole(lock, boot)
    finally:
        os.close(lock)


def _write_whole(descriptor: int, text: str) -> None:
    with contextlib.suppress(OSError):  # the doctor then knows less
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode("ascii"), 0)
