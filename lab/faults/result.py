"""What became of everything that was sent in one run: agents, controller and wire put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.spool.counts import Count, total


@dataclass(slots=True)
class Result:
    """What became of the windows and probes of one run."""

    sent: Count
    stored: Count
    dropped: Count
    by_reason: dict[str, Count]
    waiting: Count
    on_the_wire: int
    refused: dict[str, int]  # by the controller, in its last life, by reason
    duplicates: int
    agent_kills: int
    problems: list[str]
    curtailed: dict[str, int] = field(default_factory=dict)  # streams by rule

    @property
    def difference(self) -> Count:
        """What nobody can account for; nothing, if the product keeps its word."""
        return self.sent.less(self.stored).less(self.dropped)


def dropped_by_reason(healths: Sequence[Mapping[str, Any]]) -> dict[str, Count]:
    """Return what agents have reported as dropped."""
    found: dict[str, Count] = {}
    for health in healths:
        for loss in health["totals"]["dropped"]:
            found[loss["reason"]] = found.get(loss["reason"], Count()).plus(Count(loss["counts"]))
    return found


def curtailed_by_rule(healths: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many streams each rule of the agents' owners has taken or slowed."""
    found: dict[str, int] = {}
    for health in healths:
        for rule in health["curtailed"]:
            found[rule["rule"]] = found.get(rule["rule"], 0) + rule["streams"]
    return found


def still_waiting(healths: Sequence[Mapping[str, Any]]) -> Count:
    """Return what agents say is still to be delivered."""
    return total(Count(health["totals"]["waiting"]) for health in healths)
