"""The last plan on disk, so that a restarted agent measures before it reaches its controller."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from probes.exchange import Plan


def save_plan(path: Path, plan: Plan) -> None:
    """Replace the file atomically: after a crash it holds the old plan or the new one, whole."""
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(msgspec.json.encode(plan))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load_plan(path: Path, agent: str) -> Plan | None:
    """Return the saved plan of this agent; None where there is none that can be used."""
    try:
        plan = msgspec.json.decode(path.read_bytes(), type=Plan)
    except (OSError, msgspec.MsgspecError):
        return None
    return plan if plan.agent == agent else None
