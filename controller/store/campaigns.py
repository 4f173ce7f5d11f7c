"""Campaigns as a store keeps them: what was asked, what became of it, and the report it ended in.

A name means one campaign for ever. `FORGOTTEN_BEYOND` campaigns are kept, and so many bytes of
reports; the oldest that are over go first.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, Protocol

FORGOTTEN_BEYOND = 1000
MAX_REPORTS_BYTES = 64 << 20  # compressed; a report of a thousand paths takes some 100 kB

CampaignState = Literal["scheduled", "running", "ended", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRecord:
    """A campaign from_ns ≤ t < to_ns. `request` is what was asked, as JSON.

    `begun_ns` and `ended_ns` are when its streams truly came into the plan and left it; `ended_by`
    is who cancelled it. `streams` is how many it asks for; `refused` and `throttled` how many of
    them the agents' owners curtailed when it ended. `results` (JSON) and `reported_ns` are set once
    there is a report.
    """

    id: int = 0
    name: str
    request: bytes
    from_ns: int
    to_ns: int
    created_ns: int
    created_by: str
    streams: int
    begun_ns: int | None = None
    ended_ns: int | None = None
    ended_by: str | None = None
    refused: int | None = None
    throttled: int | None = None
    reported_ns: int | None = None
    results: bytes | None = None

    @property
    def state(self) -> CampaignState:
        """Where it is in its life, by what was done, not by the clock."""
        if self.ended_ns is not None:
            return "ended" if self.ended_by is None else "cancelled"
        return "scheduled" if self.begun_ns is None else "running"

    @property
    def is_over(self) -> bool:
        """Whether nothing will be measured for it any more."""
        return self.ended_ns is not None


class CampaignStore(Protocol):
    """The part of a store that keeps campaigns. Writes are answered after the commit."""

    def put(self, record: CampaignRecord) -> Future[int]:
        """Keep a campaign; its id, 0 if there is or was one of that name."""

    def change(self, record: CampaignRecord) -> Future[None]:
        """Keep what became of a campaign: all but its name, what was asked and by whom."""

    def put_report(self, number: int, page: bytes) -> Future[None]:
        """Keep the (compressed) report of a campaign, in place of an earlier one."""

    def records(self) -> list[CampaignRecord]:
        """Return every campaign that is kept, oldest first."""

    def report(self, number: int) -> bytes | None:
        """Return the report of a campaign as it was put, None if there is none any more."""
