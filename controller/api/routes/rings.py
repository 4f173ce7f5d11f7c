"""Which sites could ever be inside a target's ring: geography alone, nothing measured."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web

from controller.api.answers import json_answer
from controller.api.errors import ApiError
from controller.api.routes.verdicts import number_of
from controller.api.routing import PREFIX, Route, query_of
from controller.api.services import SERVICES
from controller.documents.remediation import RingDocument, RingSite
from foundation.text import Text
from topology.model import Target
from topology.targets import reachable_ring, ring_centres


class RingQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which ring."""

    centre: Annotated[
        str | None, msgspec.Meta(description="A site; absent: the first that the target names.")
    ] = None


async def ring(request: web.Request) -> web.Response:
    """Return the ring of a delay target around a site."""
    query, services = query_of(request, RingQuery), request.app[SERVICES]
    number = number_of(
        services.rounds.scope.catalogue.target_number, request.match_info["name"], "target"
    )
    target = services.rounds.scope.network.targets[number]
    limit_ms = _limit_ms(target)
    centres = ring_centres(services.rounds.scope.network, target)
    if query.centre is not None:
        number_of(services.rounds.scope.catalogue.site_number, query.centre, "site")
    centre = query.centre or next(iter(centres or services.rounds.scope.network.sites))
    round_trip = target.direction == "round_trip"
    places = reachable_ring(services.rounds.scope.network, centre, limit_ms, round_trip=round_trip)
    return json_answer(
        RingDocument(
            target=target.name,
            limit_ms=limit_ms,
            direction=target.direction,
            centre=centre,
            centres=list(centres),
            sites=[
                RingSite(
                    site=place.site,
                    great_circle_km=place.great_circle_km,
                    floor_ns=services.rounds.scope.network.distance(centre, place.site).floor_ns,
                    margin_km=place.margin_km,
                    reachable=place.reachable,
                    by_road=place.by_road,
                )
                for place in places
            ],
        )
    )


def _limit_ms(target: Target) -> float:
    if target.kind != "delay" or target.limit_ms is None:
        text = Text(
            f"The target {target.name} has no ring: only a limit on delay draws one.",
            f"指标 {target.name} 没有时延圈：只有时延限值才能划出时延圈。",
        )
        raise ApiError(404, "no_ring", text, name=target.name)
    return target.limit_ms


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/targets/{{name}}/ring",
        handler=ring,
        role="viewer",
        summary="Which sites could ever be within a target's limit of a site.",
        answer=RingDocument,
        query=RingQuery,
        errors=(404,),
    ),
)
