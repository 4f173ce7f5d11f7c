"""Whether the saved plan lets this agent live.

A plan that ends the agent soon after it begins (memory, a defect of ours) would end it again at
every start, before the controller can take it back. So every start with a saved plan is counted
until it has lasted for a while; after two that did not, the controller is asked first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from agent.plan.file import replace_file
from foundation.input_files import read_input
from foundation.text import Text
from messages.exchange import Plan

TRIAL_FILE = "plan.trial"  # in the state directory
LASTS_S = 20.0
_TRIALS = 2
_MOST_BYTES = 64


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
            f"too much, or limit it in [policy].",
            f"未恢复已保存的测量计划 {plan.version}：探针最近 {_TRIALS} 次启动后不久即退出。"
            "将先询问控制器；请取消要求过高的测量，或在 [policy] 中加以限制。",
        )
