"""Verdicts with their intervals and reasons."""

from __future__ import annotations

import msgspec

from tui.documents.titles import Title


class OtherReading(msgspec.Struct, frozen=True, kw_only=True):
    """The same limit read in the other direction."""

    direction: str
    measured: float | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One target on one path, judged."""

    target: str
    path: str
    source_site: str = ""
    destination_site: str = ""
    source_carrier: str = ""
    destination_carrier: str = ""
    ip_version: int | None = None
    protocol: str | None = None
    verdict: str = "no_data"
    statistic: str | None = None
    direction: str | None = None
    limit_ns: float | None = None
    limit_ratio: float | None = None
    measured: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = "ns"
    other_reading: OtherReading | None = None
    floor_ns: float | None = None
    sent: int | None = None
    lost: int | None = None
    limiting_factor: str | None = None
    reason: Title = Title()
    since_ns: int | None = None
    judged_ns: int | None = None
    pending: str | None = None
    position: float | None = None
