"""What is asked for a campaign, what that would send, and what a report found."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from controller.live.accounts import AccountDocument
from foundation.text import Language, Text
from topology.model import Name, VerdictName
from topology.network import Mesh

LONGEST_S = 2_678_400  # 31 days
Instant = Annotated[int, msgspec.Meta(ge=0, le=(1 << 62))]
ZoneName = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
CampaignStateName = Literal["scheduled", "running", "ended", "cancelled"]


class CampaignRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A campaign to create: what is measured beside the permanent meshes, from when, how long.

    `mesh` is as in a site file. `begin_ns` absent: now. `targets` are those of the report, in this
    order; all where empty. `time_zone` (IANA) is that of the times in the report.
    """

    name: Name
    title: Text
    duration_s: Annotated[float, msgspec.Meta(ge=1, le=LONGEST_S)]
    mesh: Annotated[tuple[Mesh, ...], msgspec.Meta(min_length=1, max_length=100)]
    begin_ns: Instant | None = None
    targets: Annotated[tuple[str, ...], msgspec.Meta(max_length=1000)] = ()
    language: Language = "zh"
    prepared_for: Text | None = None
    time_zone: ZoneName | None = None


class LoadAt(msgspec.Struct, frozen=True, kw_only=True):
    """What one agent sends, or what all send to one address, with everything that is planned."""

    name: str
    packets_per_s: float
    bits_per_s: float


class CampaignLoad(msgspec.Struct, frozen=True, kw_only=True):
    """What a campaign would bring: probes sent, and bits of whole IP packets; answers come on top.

    `streams` is how many it asks for: `streams_added` are new to the plan, `streams_faster` run
    already, but slower; the others run as they are. `packets_per_s` and `bits_per_s` are what is
    added in all. `notes` say what so few probes could not decide.
    """

    streams: int
    streams_added: int
    streams_faster: int
    packets_per_s: float
    bits_per_s: float
    busiest_agent: LoadAt | None
    busiest_destination: LoadAt | None
    notes: tuple[Text, ...] = ()


class CampaignResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says of one target: its paths by verdict, and all of them together."""

    target: str
    title: Text
    verdict: VerdictName
    counts: dict[str, int]


class CampaignOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a report found, as it is kept."""

    results: list[CampaignResult]
    account: AccountDocument | None
