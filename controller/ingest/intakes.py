"""What the controller asks of each kind of section before it takes a chunk: one entry each.

A chunk is stored as it was received and acknowledged whole; so one section that does not pass
refuses the chunk. Whose the chunk is and when it was measured is asked of every chunk alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, Protocol

import numpy as np
from numpy.typing import NDArray

from controller.domain_errors import ConflictError, MalformedError, RefusedError
from foundation.text import Text, counted
from messages.sections.kind import Content, SectionKind
from messages.sections.windows import WINDOWS
from probes.sockets.records import distinct
from probes.window import WindowBatch

LATER_S = 15


class Planned(Protocol):
    """What agents were ever asked to measure."""

    def foreign(self, agent: str, stream_ids: Sequence[int] | NDArray[np.uint64]) -> list[int]:
        """Return those of some streams that were never planned for an agent."""

    async def asked_for_windows_of(self, agent: str, duration_ns: int) -> bool:
        """Whether a plan ever asked an agent for windows of that length."""


class Intake(ABC, Generic[Content]):
    """What one kind of section must be like."""

    def __init__(self, kind: SectionKind[Content]) -> None:
        self.kind = kind

    @abstractmethod
    async def check(self, agent: str, content: Content, planned: Planned) -> None:
        """Raise RefusedError where a section of an agent is not what was asked of it.

        MalformedError is for ever; `not_now` where a plan may explain it later.
        """


class WindowsIntake(Intake[WindowBatch]):
    """Windows: of streams that were planned for the agent, once each, as long as was asked."""

    async def check(self, agent: str, content: WindowBatch, planned: Planned) -> None:
        """Raise RefusedError for windows that nobody asked for."""
        if len(distinct(content.stream_id)) != content.rows:
            raise MalformedError(
                "malformed_chunk",
                Text("The chunk holds a stream twice.", "数据块中有重复的测量流。"),
            )
        foreign = planned.foreign(agent, content.stream_id)
        if foreign:
            raise not_now(
                "foreign_streams",
                Text(
                    f"Never planned for {agent}: {counted(len(foreign), 'stream')} of the chunk.",
                    f"数据块中有 {len(foreign)} 条测量流从未分配给 {agent}。",
                ),
                stream_ids=foreign[:10],
            )
        if content.rows and not await planned.asked_for_windows_of(agent, content.duration_ns):
            length = f"{content.duration_ns / 1e9:,.9g}"
            raise not_now(
                "foreign_windows",
                Text(
                    f"The windows are of {length} s, which no plan known to this controller ever "
                    f"requested from {agent}.",
                    f"测量窗口长 {length} 秒；本控制器所知的 {agent} 的计划均未要求过"
                    "这一窗口时长。",
                ),
                duration_ns=content.duration_ns,
            )


_INTAKES: dict[str, Intake[Any]] = {}


def register_intake(intake: Intake[Any]) -> None:
    """Take chunks with sections of a kind. ValueError: there is an intake of that kind."""
    if intake.kind.name in _INTAKES:
        raise ValueError(f"there are two intakes of sections named {intake.kind.name}")
    _INTAKES[intake.kind.name] = intake


def unregister_intake(intake: Intake[Any]) -> None:
    """Take them no more."""
    del _INTAKES[intake.kind.name]


async def check_sections(agent: str, sections: dict[str, Any], planned: Planned) -> None:
    """Raise RefusedError for a section that was not asked for, or of a kind not taken here."""
    for name, content in sections.items():
        intake = _INTAKES.get(name)
        if intake is None:
            raise not_now(
                "unknown_section",
                Text(
                    f"This controller does not accept sections of kind {name}; upgrade it.",
                    f"本控制器不接收 {name} 类数据段；请升级控制器。",
                ),
                kind=name,
            )
        await intake.check(agent, content, planned)


def not_now(code: str, text: Text, **fields: Any) -> RefusedError:
    """Return the refusal of a chunk that the agent is to keep and to offer again."""
    return ConflictError(code, text, retry_after_s=LATER_S, **fields)


register_intake(WindowsIntake(WINDOWS))
