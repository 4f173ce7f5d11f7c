"""What the orchestrator hands to the WAN process, and the lines they say to each other.

The WAN process writes one JSON event a line on its standard output; the orchestrator writes the
one word ``stop`` on its standard input, or closes it, which means that it is gone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from foundation.text import Text


class SiteSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One site: its addresses, and the agent to start in its network (absent: none)."""

    name: str
    addresses: tuple[str, ...]
    agent_config: str | None = None


class WanSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The whole WAN. `table` is an .npz of PathTable's arrays, rows as the addresses in order."""

    run_dir: str
    remove_when_orphaned: bool
    sites: tuple[SiteSpec, ...]
    table: str
    log_dir: str
    seed: int
    spin_us: float = 50.0


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the WAN process."""

    event: Literal["ready", "refused", "agent_ended", "finished"]
    text: Text | None = None
    agent: str | None = None
    code: int | None = None
    counters: dict[str, int] = {}


def read_spec(path: Path) -> WanSpec:
    """Read the specification the orchestrator wrote."""
    return msgspec.json.decode(path.read_bytes(), type=WanSpec)
