"""Campaigns, as the API says them.

Declared apart from what makes them of a snapshot: a client reads them without what computes them.
"""

from __future__ import annotations

import msgspec

from controller.campaigns.request import CampaignResult, CampaignStateName
from controller.live.account_document import AccountDocument
from foundation.text import Text
from topology.network import Mesh


class CampaignDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign. `from_ns` ≤ t < `to_ns` is what was asked, `begun_ns` and `ended_ns` what was.

    `missed_ns` is how much of its beginning was not measured. `streams` are expected; of them
    `refused` and `throttled` by the agents' owners (null before it begins), and, while it runs,
    `reporting` that brought a window of late. `account` (once it is reported): what became of every
    probe that was due.
    """

    name: str
    title: Text
    state: CampaignStateName
    from_ns: int
    to_ns: int
    begun_ns: int | None
    ended_ns: int | None
    missed_ns: int
    created_ns: int
    created_by: str
    ended_by: str | None
    streams: int
    refused: int | None
    throttled: int | None
    reporting: int | None
    mesh: list[Mesh]
    targets: list[str]
    reported_ns: int | None
    results: list[CampaignResult]
    account: AccountDocument | None
    notes: list[Text]


class CampaignPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of campaigns, oldest first."""

    items: list[CampaignDocument]
    next: str | None = None
