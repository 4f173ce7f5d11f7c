"""The controller itself: alive, and how it is."""

from __future__ import annotations

from typing import Literal

import msgspec

from foundation.text import Text


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
