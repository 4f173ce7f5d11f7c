"""What the controller says of itself and how it says it: its health, events, pages of lists."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from tui.documents.titles import Title

T = TypeVar("T")


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


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the event stream."""

    type: str
    revision: int | None = None


class Listing(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a list."""

    items: list[T]
    next: str | None = None
