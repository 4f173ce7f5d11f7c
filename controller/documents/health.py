"""The controller itself: alive, and how it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, get_args

import msgspec
import numpy as np

from controller.documents.values import age_ms
from controller.live.rounds import JUDGING
from controller.store.event_log import AgentState
from foundation.text import MAX_SENTENCE, Text
from messages.sections.windows import WINDOWS

if TYPE_CHECKING:
    from controller.live.snapshot import Snapshot
    from controller.store.interface import StoreState

MOST = 100  # of what is skipped, told by name


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The controller takes windows and judges them."""

    status: Literal["ready"] = "ready"


class StoreHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the store is; `reason` where it is not ok."""

    engine: str
    state: Literal["ok", "full", "failing"]
    reason: Text | None
    queued_writes: int
    size_bytes: int | None
    free_bytes: int | None


class IngestHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since the controller started; `refused` by reason code, `results` by kind."""

    chunks: int
    windows: int
    results: dict[str, int]
    duplicates: int
    bytes: int
    refused: dict[str, int]


class ControllerHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the controller is. `revision` counts the rounds of judging.

    `judged_age_ms` is how long ago the last round was judged, on what was measured from
    `data_from_ns` to `data_to_ns`; of all `demands` that are judged,
    `stale` have evidence that is too old, and so no data.
    """

    version: str
    started_ns: int
    now_ns: int
    revision: int
    judged_ns: int | None
    judge_period_ms: int
    store: StoreHealth
    ingest: IngestHealth
    agents: dict[str, int]
    campaigns: dict[str, int] = {}
    warnings: tuple[Text, ...] = ()
    judged_age_ms: int | None = None
    data_from_ns: int | None = None
    data_to_ns: int | None = None
    demands: int = 0
    stale: int = 0


def health_document(now: Snapshot, store: StoreState) -> ControllerHealth:
    """Return how the controller is; `store` is how its store is now."""
    latest, operation = now.round, now.operation
    return ControllerHealth(
        version=now.operation.version,
        started_ns=now.started_ns,
        now_ns=now.at_ns,
        revision=latest.revision,
        judged_ns=latest.judged_ns,
        judged_age_ms=age_ms(latest.judged_ns, now.at_ns),
        judge_period_ms=now.judge_period_ns // 1_000_000,
        data_from_ns=latest.data_from_ns or None,
        data_to_ns=latest.data_to_ns or None,
        demands=latest.judgements.rows,
        stale=int(np.count_nonzero(latest.stale)),
        store=StoreHealth(
            engine=store.engine,
            state=store.state,
            reason=store.reason,
            queued_writes=store.queued_writes,
            size_bytes=store.size_bytes,
            free_bytes=store.free_bytes,
        ),
        ingest=IngestHealth(
            chunks=operation.chunks,
            windows=operation.results.get(WINDOWS.name, 0),
            results=dict(operation.results),
            duplicates=operation.duplicates,
            bytes=operation.bytes,
            refused=dict(Counter(operation.refused) + Counter(operation.refused_callers)),
        ),
        agents=_counts(now.agent_states()),
        campaigns=now.campaign_counts(),
        warnings=(*now.scope.network.warnings, *_faults(now)),
    )


def reasons_not_ready(now: Snapshot, store: StoreState) -> list[str]:
    """Return why windows are not taken or not judged, in words for programs; none: it is ready."""
    stalled = now.operation.stalled
    reasons = [] if store.state == "ok" else [f"store_{store.state}"]
    if now.round.judged_ns is None and JUDGING not in stalled:
        reasons.append("not_judged_yet")
    reasons += [f"{loop}_late" for loop in stalled]
    return reasons + sorted({f"{part.partition('/')[0]}_failing" for part in now.operation.failing})


def _faults(now: Snapshot) -> tuple[Text, ...]:
    """Return what keeps improvements from being judged though a baseline was sealed, and what is
    skipped or stands still."""
    faults = (now.clock_doubt(), now.baseline_fault)
    found = [fault for fault in faults if fault is not None]
    found += [
        Text(f"{loop}: no round has ended for too long.", f"{loop}：长时间没有完成一轮。")
        for loop in now.operation.stalled
    ]
    found += [
        Text(
            f"{part} is skipped: {reason}"[:MAX_SENTENCE], f"已跳过 {part}：{reason}"[:MAX_SENTENCE]
        )
        for part, reason in sorted(now.operation.failing.items())[:MOST]
    ]
    return tuple(found)


def _counts(agents: Mapping[str, AgentState]) -> dict[str, int]:
    """Return how many agents are in each state, states without agents too."""
    found = list(agents.values())
    return {state: found.count(state) for state in get_args(AgentState)}
