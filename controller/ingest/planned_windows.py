"""Which lengths of windows an agent was ever asked for."""

from __future__ import annotations

import contextlib

import msgspec

from controller.store.interface import Store
from foundation.json_document import decode_json
from foundation.number_types import LARGEST

_PLANS_AT_ONCE = 10  # each may hold many thousand streams


class _PlanHead(msgspec.Struct, frozen=True):
    window_ms: int  # the rest of a plan is not read: that takes long


def windows_asked(store: Store, agent: str) -> frozenset[int]:
    """Return the lengths of windows, in ns, that stored plans ever asked of an agent. Blocks."""
    asked, before = set(), LARGEST
    while page := store.plans.history(agent, before, _PLANS_AT_ONCE):
        before = page[-1].version
        for record in page:
            with contextlib.suppress(msgspec.MsgspecError):
                asked.add(decode_json(record.content, _PlanHead).window_ms * 1_000_000)
    return frozenset(asked)
