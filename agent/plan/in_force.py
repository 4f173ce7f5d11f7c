"""The plan that is measured by: resumed at the start, replaced by the controller, kept on disk.

A plan that ends the agent soon after it begins (memory, a defect of ours) would end it again at
every start, before the controller can take it back. So every start with a saved plan is counted
until it has lasted for a while; after two that did not, the controller is asked first.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from agent.conditions import Conditions
from agent.measuring.measuring import Measuring
from agent.plan.file import (
    KEYS_FILE,
    PLAN_FILE,
    load_keys,
    load_plan,
    replace_file,
    save_keys,
    save_plan,
)
from foundation.input_files import read_input
from foundation.reasons import reason_of
from foundation.text import Text
from messages.exchange import Plan, StampKeys

TRIAL_FILE = "plan.trial"  # in the state directory
LASTS_S = 20.0
_TRIALS = 2
_MOST_BYTES = 64


class PlanInForce:
    """Hands plans to `measuring` and keeps the last one in `state_dir`, with its keys."""

    def __init__(
        self, state_dir: Path, agent: str, measuring: Measuring, conditions: Conditions
    ) -> None:
        self._file, self._keys_file = state_dir / PLAN_FILE, state_dir / KEYS_FILE
        self._agent, self._measuring, self._conditions = agent, measuring, conditions
        self._trial = PlanTrial(state_dir)

    def current(self) -> Plan | None:
        """Return the plan that is measured by, None while there is none."""
        return self._measuring.plan

    async def resume(self) -> None:
        """Measure by the plan of the last run until the controller sends another, unless that plan
        has ended this agent before."""
        plan = await asyncio.to_thread(load_plan, self._file, self._agent)
        if plan is None:
            if await asyncio.to_thread(os.path.lexists, self._file):  # a link into nowhere, too
                self._conditions.begin("plan_not_resumed", "error", _unusable(self._file))
            return
        self._measuring.note_absence([(spec.address, spec.port) for spec in plan.reflectors])
        if not await asyncio.to_thread(self._trial.begins):
            self._conditions.begin("plan_not_resumed", "error", self._trial.told(plan))
        elif self._measuring.plan is None:
            keys = await asyncio.to_thread(load_keys, self._keys_file)
            await self._measuring.apply(plan, keys)

    async def take(self, plan: Plan, keys: StampKeys | None) -> None:
        """Keep a plan that the controller sent, and measure by it."""
        if (plan, keys) == (self._measuring.plan, self._measuring.keys):
            return
        try:
            await asyncio.to_thread(save_keys, self._keys_file, keys)
            if plan != self._measuring.plan:
                await asyncio.to_thread(save_plan, self._file, plan)
        except OSError as error:
            self._conditions.begin("plan_file", "warning", _not_kept(self._file, error))
        else:
            self._conditions.end("plan_file")
        self._conditions.end("plan_not_resumed")
        await self._measuring.apply(plan, keys)

    async def give_up_keys(self) -> None:
        """Send no more authenticated probes: nobody answers those of an agent that was revoked, and
        that would look like loss."""
        if self._measuring.plan is None or self._measuring.keys is None:
            return
        with contextlib.suppress(OSError):
            await asyncio.to_thread(save_keys, self._keys_file, None)
        await self._measuring.apply(self._measuring.plan, None)

    async def run(self) -> None:
        """Note it once the agent has lived with a plan for a while."""
        await self._trial.survives(lambda: self._measuring.plan is not None)

    async def end(self) -> None:
        """Note that whoever may has ended this agent, not its plan."""
        await asyncio.to_thread(self._trial.passed)


class PlanTrial:
    """Counts the starts that did not last, in a file of `state_dir`."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / TRIAL_FILE

    def begins(self) -> bool:
        """Count a start; tell whether the saved plan may be resumed."""
        failed = 0
        with contextlib.suppress(OSError, ValueError):
            failed = min(max(int(read_input(self._path, _MOST_BYTES)), 0), _TRIALS)
        with contextlib.suppress(OSError):  # a full disk must not keep anybody from measuring
            replace_file(self._path, b"%d\n" % (failed + 1))
        return failed < _TRIALS

    def passed(self) -> None:
        """Note that this start lasted, or was ended by whoever may."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    async def survives(self, measures: Callable[[], bool]) -> None:
        """Note it once the agent has lived with a plan for a while."""
        lasted = False
        while not lasted:
            began = measures()
            await asyncio.sleep(LASTS_S)
            lasted = began and measures()
        await asyncio.to_thread(self.passed)

    @staticmethod
    def told(plan: Plan) -> Text:
        """Say that a plan is not resumed."""
        return Text(
            f"The saved plan {plan.version} is not resumed: the agent ended soon after each of "
            f"its last {_TRIALS} starts. It waits for the controller's plan; cancel what requests "
            "too much, or limit it in [policy].",
            f"未恢复已保存的测量计划 {plan.version}：探针最近 {_TRIALS} 次启动后不久即退出。"
            "将先询问控制器；请取消要求过高的测量，或在 [policy] 中加以限制。",
        )


def _unusable(path: Path) -> Text:
    return Text(
        f"The saved plan {path} is damaged or belongs to another agent; nothing is measured until "
        f"the controller sends one.",
        f"已保存的测量计划 {path} 已损坏，或属于其他探针；在控制器下发新计划之前不进行任何测量。",
    )


def _not_kept(path: Path, error: OSError) -> Text:
    return Text(
        f"The plan cannot be saved in {path} ({error.strerror}); after a restart without the "
        "controller nothing would be measured. Free space there.",
        f"无法将测量计划保存到 {path}（{reason_of(error).zh}）；"
        "若在控制器不可达时重启，测量将无法进行。请清理磁盘空间。",
    )
