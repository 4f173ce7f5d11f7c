"""Sealed baseline periods."""

from __future__ import annotations

import msgspec

from controller.live.sealed_baselines import Baseline


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


def baseline_document(baseline: Baseline, used: Baseline | None) -> BaselineDocument:
    """Return a sealed baseline; `used` is the one that improvements are judged against now."""
    record, content = baseline.record, baseline.content
    return BaselineDocument(
        name=record.name,
        from_ns=record.from_ns,
        to_ns=record.to_ns,
        sealed_ns=record.sealed_ns,
        digest=record.digest,
        streams=len(content.streams),
        paths=sorted({stream.path for stream in content.streams}),
        type_ps=sorted({stream.type_p for stream in content.streams}),
        hours=baseline.hours,
        plan_versions=content.plan_versions,
        used=used is not None and used.record.digest == record.digest,
    )
