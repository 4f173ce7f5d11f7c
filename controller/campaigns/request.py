"""A campaign as it is requested: its request, the streams it means, what is wrong with it; and what
it would send and found.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from controller.live.account_document import AccountDocument
from foundation.errors import UsageError
from foundation.local_time import zone_of
from foundation.text import Language, Text
from topology.mesh import plan_streams
from topology.model import Name, PlannedStream, VerdictName
from topology.network import Mesh, Network
from topology.site_references import check_meshes
from topology.source_lines import SourceLines
from topology.strict import Problems, suggestion

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


def streams_of(network: Network, request: CampaignRequest) -> tuple[PlannedStream, ...]:
    """Return the streams that a campaign asks for. Raises ConfigError where two hash alike."""
    return plan_streams(dataclasses.replace(network, meshes=request.mesh))


def existing_part(network: Network, request: CampaignRequest) -> CampaignRequest:
    """Return a request without the pairs and targets that the network no longer has.

    Site files change while campaigns run: what is left is measured and reported.
    """

    def there(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        return tuple(pair for pair in pairs if all(site in network.sites for site in pair))

    known = {target.name for target in network.targets}
    targets = tuple(name for name in request.targets if name in known)
    meshes = (
        msgspec.structs.replace(mesh, pairs=there(mesh.pairs), exclude=there(mesh.exclude))
        for mesh in request.mesh
    )
    return msgspec.structs.replace(
        request,
        mesh=tuple(mesh for mesh in meshes if mesh.kind != "list" or mesh.pairs),
        targets=targets or request.targets,  # none would mean every target
    )


def problems_of(network: Network, request: CampaignRequest) -> Problems:
    """Return what a campaign names that this network has not, by the keys of its file."""
    problems = Problems(pathlib.Path("campaign"), SourceLines(""))
    check_meshes(request.mesh, network.sites, None, problems)
    known = {target.name for target in network.targets}
    for number, name in enumerate(request.targets):
        if name not in known:
            hint = suggestion(name, known)
            problems.add(
                ("targets", number),
                f"no target is called `{name}`{hint.en}",
                f"没有名为 `{name}` 的指标{hint.zh}",
            )
    return problems


def note_unknown_zone(name: object, problems: Problems) -> None:
    """Note a time zone that this system does not know."""
    if not isinstance(name, str):
        return
    try:
        zone_of(name)
    except UsageError as error:
        en, zh = error.text.en.rstrip("."), error.text.zh.rstrip("。")
        problems.add(("time_zone",), en, zh)


def note_if_nothing(streams: Sequence[PlannedStream], problems: Problems) -> None:
    """Note that a campaign would measure nothing."""
    if not streams:
        problems.add(
            ("mesh", 0),
            "the meshes of this campaign select no path; widen their members, or name other pairs",
            "该专项测量的测量组没有选中任何路径；请放宽 members，或另行指定 pairs",
        )
