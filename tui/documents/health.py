"""The controller itself: how it is."""

from __future__ import annotations

import msgspec

from tui.documents.titles import Title


class StoreHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the controller's store is; `reason` where it is not ok."""

    state: str = "ok"
    reason: Title | None = None


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """State of the controller."""

    version: str = ""
    started_ns: int | None = None
    now_ns: int | None = None
    revision: int | None = None
    judged_ns: int | None = None
    judged_age_ms: int | None = None
    demands: int = 0
    stale: int = 0
    store: StoreHealth | None = None
    campaigns: dict[str, int] = {}
    warnings: list[Title] = []
