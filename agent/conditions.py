"""What a person should know of this agent now: conditions by code, raised and cleared."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal

import msgspec

from foundation.condition import Condition
from foundation.text import MAX_SENTENCE, Text, counted, language_of_environment
from messages.exchange import MAX_CONDITIONS

_LOG = logging.getLogger("isochrone.agent")
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Conditions:
    """The conditions that hold. Each is logged once when it begins and once when it ends."""

    def __init__(self) -> None:
        self._current: dict[str, Condition] = {}

    def current(self) -> tuple[Condition, ...]:
        """Return the conditions that hold now."""
        return tuple(self._current.values())

    def begin(self, code: str, severity: Literal["info", "warning", "error"], text: Text) -> None:
        """Say that a condition holds; its words may change while it does."""
        if code not in self._current:
            _LOG.log(
                _LEVELS[severity],
                "%s",
                text.pick(language_of_environment()),
                extra={"fields": {"condition": code, "begins": True}},
            )
        self._current[code] = Condition(code=code, severity=severity, text=text)

    def end(self, code: str) -> None:
        """Say that a condition no longer holds."""
        if self._current.pop(code, None) is not None:
            _LOG.info(
                Text("Over: %s.", "已恢复：%s。").pick(language_of_environment()),
                code,
                extra={"fields": {"condition": code, "begins": False}},
            )


def reported(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """Return conditions as a report has room for them: the first ones, and how many more hold."""
    fitting = [_shortened(one) for one in conditions[:MAX_CONDITIONS]]
    if len(conditions) > MAX_CONDITIONS:
        more = len(conditions) - MAX_CONDITIONS + 1
        text = Text(
            f"{counted(more, 'more condition')}: see the agent's log.",
            f"另有 {more} 条情况未列出；详见探针日志。",
        )
        fitting[-1] = Condition(code="more_conditions", severity="warning", text=text)
    return tuple(fitting)


def _shortened(condition: Condition) -> Condition:
    en, zh = condition.text.en[:MAX_SENTENCE], condition.text.zh[:MAX_SENTENCE]
    return msgspec.structs.replace(condition, text=Text(en, zh))
