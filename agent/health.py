"""How the agent is: one report made of the engine, the spool, the clock and the process."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import os
import resource
import time
from pathlib import Path
from typing import Literal, cast

import msgspec

from agent.clock_watch import ClockWatch
from agent.conditions import Conditions, reported
from agent.measuring.measuring import Measuring
from agent.self_test import SelfTest
from agent.spool.spooler import Spooler, SpoolState
from foundation.clock import Clock
from foundation.text import Text, counted
from messages.exchange import Health

TimestampingName = Literal["none", "user", "kernel", "hardware"]
LOOK_EVERY_S = 30.0


class HealthReporter:
    """Makes the health reports of one agent."""

    def __init__(
        self,
        *,
        version: str,
        measuring: Measuring,
        spooler: Spooler,
        conditions: Conditions,
        clock: Clock,
        clock_watch: ClockWatch,
        self_test: SelfTest,
    ) -> None:
        self._version = version
        self._measuring = measuring
        self._spooler = spooler
        self._conditions = conditions
        self._clock = clock
        self._clock_watch = clock_watch
        self._self_test = self_test
        self._started_ns = clock.monotonic_ns()
        self._cpu_s, self._looked_ns = time.process_time(), self._started_ns

    async def run(self) -> None:
        """Look after the spool's disk even while no controller asks for health."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.report()

    async def report(self) -> Health:
        """Return the health of now."""
        state = await self._spooler.ask(self._spooler.do_state)
        self._report_spool(state)
        self._report_clock()
        shortfalls = self._measuring.shortfalls
        shortfalls.tell(self._conditions, self._clock.monotonic_ns())
        plan, engine = self._measuring.plan, self._measuring.engine_health()
        reflector = self._measuring.reflector_counters()
        bound_ns = self._clock_watch.bound_ns()
        sent, received = self._measuring.probes()
        now_ns = self._clock.wall_ns()
        return Health(
            version=self._version,
            boot=self._spooler.boot,
            started_ns=now_ns - (self._clock.monotonic_ns() - self._started_ns),
            sent_ns=now_ns,
            plan_version=None if plan is None else plan.version,
            streams=0 if engine is None else engine.streams,
            timestamping="none" if engine is None else cast(TimestampingName, engine.timestamping),
            calibration_ns=self._self_test.calibration_ns,
            clock_source=self._clock_watch.source,
            clock_age_ms=round(self._clock_watch.age_s() * 1e3),
            clock_steps=self._clock_watch.steps,
            clock_bound_ns=None if math.isnan(bound_ns) else math.ceil(bound_ns),
            probes_sent=sent,
            probes_received=received,
            shortfalls={name: n for name, n in shortfalls.totals.items() if n},
            probes_reflected=0 if reflector is None else reflector.reflected,
            spool_chunks=state.chunks,
            spool_bytes=state.bytes,
            spool_dropped_windows=state.dropped_windows,
            cpu_ratio=self._cpu_ratio(),
            resident_bytes=_resident_bytes(),
            conditions=reported((*self._conditions.current(), *self._measuring.conditions())),
            totals=state.totals,
            curtailed=self._measuring.granted.by_rule,
            reflector=None if reflector is None else dataclasses.asdict(reflector),
            stamp_epoch=self._measuring.answered_epoch or msgspec.UNSET,
        )

    def _report_spool(self, state: SpoolState) -> None:
        if state.set_aside is not None:
            self._conditions.begin(
                "spool_damaged",
                "warning",
                Text(
                    f"The spool was damaged and is {state.set_aside} now; what could be read is "
                    f"kept, the rest counts as damaged. Check the disk of state_dir.",
                    f"本地缓存已损坏，现更名为 {state.set_aside}；可读取的部分继续补传，"
                    "其余计入 damaged。请检查 state_dir 所在磁盘。",
                ),
            )
        if state.fault is None:
            self._conditions.end("spool")
            return
        self._conditions.begin(
            "spool",
            "error",
            Text(
                f"The spool cannot be written ({state.fault}); in memory: "
                f"{counted(state.in_memory, 'chunk')}. Free space on the disk of state_dir.",
                f"无法写入本地缓存（{state.fault}）；{state.in_memory} 个数据块暂存于内存。"
                "请清理 state_dir 所在磁盘的空间。",
            ),
        )

    def _report_clock(self) -> None:
        """Keep saying that the clock was stepped: windows before and after it are not alike."""
        steps, by_ms = self._clock_watch.steps, self._clock_watch.stepped_by_ns / 1e6
        if not steps:
            return
        self._conditions.begin(
            "clock_stepped",
            "warning",
            Text(
                f"The wall clock was stepped {counted(steps, 'time')} since the agent started, "
                "last by "
                f"{by_ms:+.0f} ms. One-way delays of that moment are not trusted.",
                f"自探针启动以来系统时钟跳变 {steps} 次，最近一次 {by_ms:+.0f} 毫秒；"
                "该时刻的单向时延不采信时钟。",
            ),
        )

    def _cpu_ratio(self) -> float | None:
        """Return the share of one core used since the last report."""
        cpu_s, now_ns = time.process_time(), self._clock.monotonic_ns()
        used_s, passed_s = cpu_s - self._cpu_s, (now_ns - self._looked_ns) / 1e9
        self._cpu_s, self._looked_ns = cpu_s, now_ns
        return used_s / passed_s if passed_s > 0 else None


def _resident_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:  # no /proc: the greatest so far is the best there is
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")
