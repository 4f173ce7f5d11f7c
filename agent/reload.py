"""SIGHUP: the configuration is read again, and what can change without losing a window changes.

Policy, spool bounds and clock take effect at once. What is the agent's identity (its name, its
controller, its directory) needs a restart, and the agent says so. A file with a mistake changes
nothing.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from agent.clock_watch import ClockWatch
from agent.conditions import Conditions
from agent.config import AgentConfig, load_config
from agent.measuring.measuring import Measuring
from agent.policy.policy import Policy
from agent.spool.spooler import Spooler
from foundation.errors import ConfigError
from foundation.text import Text

_CHANGES_AT_ONCE = {"policy", "spool", "clock"}


class Reload:
    """Reads `path` again whenever `ask` was called."""

    def __init__(
        self,
        path: Path,
        config: AgentConfig,
        conditions: Conditions,
        *,
        measuring: Measuring,
        spooler: Spooler,
        clock_watch: ClockWatch,
    ) -> None:
        self._path, self._config, self._conditions = path, config, conditions
        self._measuring, self._spooler, self._clock_watch = measuring, spooler, clock_watch
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Let the file be read again (a signal handler)."""
        self._asked.set()

    async def run(self) -> None:
        """Serve every request, for ever."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            await self.reload()

    async def reload(self) -> None:
        """Read the file and let what it says hold."""
        try:
            config = await asyncio.to_thread(load_config, self._path)
        except ConfigError as error:
            self._conditions.begin("config", "error", _kept(error.text))
            return
        self._conditions.end("config")
        self._report_restart_needed(config)
        self._clock_watch.trust(config.clock)
        await asyncio.to_thread(self._clock_watch.look)
        self._measuring.shift_timestamps(round(config.clock.timestamp_shift_us * 1e3))
        limits = config.spool.max_bytes, config.spool.max_age_s
        await self._spooler.ask(self._spooler.do_limit, *limits)
        await self._measuring.obey(Policy(config.policy))

    def _report_restart_needed(self, config: AgentConfig) -> None:
        changed = [
            field.name
            for field in msgspec.structs.fields(AgentConfig)
            if field.name not in _CHANGES_AT_ONCE
            and getattr(config, field.name) != getattr(self._config, field.name)
        ]
        if not changed:
            self._conditions.end("restart_needed")
            return
        keys = ", ".join(changed)
        text = Text(
            f"{self._path}: {keys} changed; restart the agent to apply this.",
            f"{self._path}：{keys} 已更改；请重启探针使其生效。",
        )
        self._conditions.begin("restart_needed", "warning", text)


def _kept(problem: Text) -> Text:
    return Text(
        f"{problem.en} The previous configuration stays in force.",
        f"{problem.zh}仍沿用先前的配置。",
    )
