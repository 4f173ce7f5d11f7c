"""Campaigns: streams with a beginning and an end, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from controller.campaigns.registry import missed_ns, notes_of, request_of
from controller.campaigns.request import CampaignOutcome
from controller.campaigns.scheduler import curtailed
from controller.documents.campaign_schema import CampaignDocument
from controller.live.states import LATE_WINDOWS
from foundation.text import Text
from topology.model import PlannedStream

if TYPE_CHECKING:
    from controller.live.snapshot import Snapshot
    from controller.store.records import CampaignRecord


def campaign_document(now: Snapshot, record: CampaignRecord) -> CampaignDocument:
    """Return a campaign; while it runs with what is known of its streams now."""
    request = request_of(record)
    refused, throttled, reporting = record.refused, record.throttled, None
    there = record.streams  # a report keeps what was left when it was made
    if record.state == "running":
        streams = now.campaign_streams.get(record.id, ())
        there = len(streams)
        counts = curtailed(now.fleet, streams)
        refused, throttled = counts["refused"], counts["throttled"]
        reporting = _reporting(now, streams)
    outcome = CampaignOutcome(results=[], account=None)
    if record.results is not None:
        outcome = msgspec.json.decode(record.results, type=CampaignOutcome)
    return CampaignDocument(
        name=record.name,
        title=request.title,
        state=record.state,
        from_ns=record.from_ns,
        to_ns=record.to_ns,
        begun_ns=record.begun_ns,
        ended_ns=record.ended_ns,
        missed_ns=missed_ns(record),
        created_ns=record.created_ns,
        created_by=record.created_by,
        ended_by=record.ended_by,
        streams=record.streams,
        refused=refused,
        throttled=throttled,
        reporting=reporting,
        mesh=list(request.mesh),
        targets=list(request.targets),
        reported_ns=record.reported_ns,
        results=outcome.results,
        account=outcome.account,
        notes=list(notes_of(record, there)),
    )


def _reporting(now: Snapshot, asked: Sequence[PlannedStream]) -> int:
    """Return how many of a campaign's streams brought a window of late."""
    ids = np.array([stream.stream_id for stream in asked], np.uint64)
    fresh = now.round.newest_of_streams.believed_ns > now.at_ns - LATE_WINDOWS * now.scope.window_ns
    mine = np.isin(now.scope.catalogue.stream_id, ids)
    return int(np.count_nonzero(mine & fresh))


def no_report(now: Snapshot, record: CampaignRecord) -> Text:
    """Return why there is no report of a campaign."""
    name = record.name
    if record.is_over and record.begun_ns is None:
        return Text(
            f"Campaign {name} never began, so there is nothing to report.",
            f"专项测量 {name} 从未开始，没有可报告的内容。",
        )
    if record.reported_ns is not None:
        return Text(
            f"The report of campaign {name} is not kept any more.",
            f"专项测量 {name} 的报告已不再保留。",
        )
    if record.id in now.unreportable:
        return Text(
            f"The report of campaign {name} could not be made; the controller's log says why.",
            f"未能生成专项测量 {name} 的报告，原因见控制器日志。",
        )
    return Text(
        f"Campaign {name} has no report yet: it is made some seconds after its last window.",
        f"专项测量 {name} 尚无报告：最后一个窗口到达后数秒内生成。",
    )
