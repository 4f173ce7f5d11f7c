"""Sealed baseline periods."""

from __future__ import annotations

import msgspec


class BaselineDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed baseline; `used` is the one that improvements are judged against."""

    name: str
    from_ns: int
    to_ns: int
    sealed_ns: int
    digest: str
    streams: int
    paths: list[str]
    type_ps: list[str]
    hours: int
    plan_versions: dict[str, int]
    used: bool


class BaselinePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of sealed baselines, oldest first."""

    items: list[BaselineDocument]
    next: str | None = None
