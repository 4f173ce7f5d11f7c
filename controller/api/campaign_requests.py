"""A campaign that is requested: what is wrong with it, or what it would send."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from controller.api.error_answers import ApiError
from controller.campaigns.load import load_of, note_beyond_budget, note_unjudgeable, too_few
from controller.campaigns.registry import CampaignRegistry
from controller.campaigns.request import (
    CampaignLoad,
    CampaignRequest,
    note_if_nothing,
    note_unknown_zone,
    problems_of,
    streams_of,
)
from controller.live.scope import Scope
from controller.live.snapshot import Snapshot
from foundation.errors import ConfigError
from foundation.text import Text
from topology.mesh import merged_plans
from topology.model import PlannedStream
from topology.strict import Problems

GRACE_NS = 60_000_000_000  # a caller's clock may be behind ours
AHEAD_NS = 366 * 86_400_000_000_000
MOST_TOLD = 20  # problems of one request


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidRequest:
    """A request that was found sound, and what it would bring."""

    request: CampaignRequest
    from_ns: int
    to_ns: int
    streams: tuple[PlannedStream, ...]
    load: CampaignLoad


async def checked(
    asked: CampaignRequest, now: Snapshot, registry: CampaignRegistry
) -> ValidRequest:
    """Return a campaign that may be measured. Raises ApiError with every fault of it."""
    from_ns = now.at_ns if asked.begin_ns is None else asked.begin_ns
    if not now.at_ns - GRACE_NS <= from_ns <= now.at_ns + AHEAD_NS:
        text = Text(
            "A campaign begins now (leave `begin` out) or within a year, not in the past.",
            "专项测量应从现在（省略 begin）或一年之内开始，不能从过去开始。",
        )
        raise ApiError(422, "bad_period", text, begin_ns=asked.begin_ns)
    from_ns = max(from_ns, now.at_ns)
    to_ns = from_ns + round(asked.duration_s * 1e9)
    others = [
        registry.streams_of(now.scope.network, record)
        for record in registry.overlapping(from_ns, to_ns)
    ]
    async with registry.planning:  # one at a time: a large one takes a second
        streams, load = await asyncio.to_thread(_planned, asked, now.scope, others)
    return ValidRequest(request=asked, from_ns=from_ns, to_ns=to_ns, streams=streams, load=load)


def _planned(
    asked: CampaignRequest, scope: Scope, others: Sequence[tuple[PlannedStream, ...]]
) -> tuple[tuple[PlannedStream, ...], CampaignLoad]:
    """Return the streams of a campaign beside those of `others` at its time, and their load."""
    problems = problems_of(scope.network, asked)
    note_unknown_zone(asked.time_zone, problems)
    _refuse(problems)
    try:
        streams = streams_of(scope.network, asked)
        before = merged_plans(scope.permanent, *others)
        after = merged_plans(before, streams)
    except ConfigError as error:  # two streams of one number
        raise ApiError(422, "bad_campaign", error.text, **error.fields) from error
    note_if_nothing(streams, problems)
    note_beyond_budget(scope.network.budget, before, after, problems)
    note_unjudgeable(streams, asked.duration_s, scope.window_ns // 1_000_000, problems)
    _refuse(problems)
    named = [t for t in scope.network.targets if not asked.targets or t.name in asked.targets]
    notes = too_few(named, streams, asked.duration_s)
    return streams, msgspec.structs.replace(load_of(streams, before, after), notes=notes)


def _refuse(problems: Problems) -> None:
    """Raise ApiError where there are problems; its field `problems` has each with its key."""
    found = problems.found[:MOST_TOLD]
    if not found:
        return
    text = Text("; ".join(each.en for _, each in found), "；".join(each.zh for _, each in found))
    listed = [{"key": list(key), "message": each} for key, each in found]
    raise ApiError(422, "bad_campaign", text, problems=listed)
