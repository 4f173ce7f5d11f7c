"""What a campaign asks of a network: its streams, and what is wrong with what it names. Pure."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

import msgspec

from controller.campaigns.request import CampaignRequest
from foundation.errors import UsageError
from foundation.local_time import zone_of
from topology.mesh import plan_streams
from topology.model import PlannedStream
from topology.network import Network
from topology.site_references import check_meshes
from topology.source_lines import SourceLines
from topology.strict import Problems, suggestion


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
