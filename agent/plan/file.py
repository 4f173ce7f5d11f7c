"""The last plan on disk, so that a restarted agent measures before it reaches its controller.

Beside it lie the keys of its authenticated streams, in their own file for its owner alone:
plans are shown to people.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from foundation.input_files import read_input
from foundation.json_document import decode_json
from messages.exchange import Plan, StampKeys

PLAN_FILE, KEYS_FILE = "plan.json", "stamp-keys.json"  # in the state directory


def save_plan(path: Path, plan: Plan) -> None:
    """Replace the file atomically: after a crash it holds the old plan or the new one, whole."""
    replace_file(path, msgspec.json.encode(plan))


def load_plan(path: Path, agent: str) -> Plan | None:
    """Return the saved plan of this agent; None where there is none that can be used."""
    try:
        plan = decode_json(read_input(path), Plan)
    except (OSError, msgspec.MsgspecError):
        return None
    return plan if plan.agent == agent else None


def save_keys(path: Path, keys: StampKeys | None) -> None:
    """Replace the file as `save_plan` does, readable by its owner alone; None removes it."""
    if keys is None:
        path.unlink(missing_ok=True)
    else:
        replace_file(path, msgspec.json.encode(keys))


def load_keys(path: Path) -> StampKeys | None:
    """Return the saved keys; None where there are none that can be used."""
    try:
        return decode_json(read_input(path), StampKeys)
    except (OSError, msgspec.MsgspecError):
        return None


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or leave what was there; never through a pipe or a link. OSError."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    number = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(number, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
