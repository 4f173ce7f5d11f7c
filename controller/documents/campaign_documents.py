"""Campaigns as the API says them."""

from __future__ import annotations

import msgspec
import numpy as np

from controller.campaigns.notes import missed_ns, notes_of
from controller.campaigns.registry import request_of
from controller.campaigns.request import CampaignOutcome
from controller.campaigns.scheduler import curtailed
from controller.documents.campaigns import CampaignDocument
from controller.live.states import LATE_WINDOWS
from controller.state import ControllerState
from controller.store.campaigns import CampaignRecord


def campaign_document(state: ControllerState, record: CampaignRecord) -> CampaignDocument:
    """Return a campaign; while it runs with what is known of its streams now."""
    request = request_of(record)
    refused, throttled, reporting = record.refused, record.throttled, None
    if record.state == "running":
        counts = curtailed(state, record)
        refused, throttled = counts["refused"], counts["throttled"]
        reporting = _reporting(state, record)
    there = record.streams  # a report keeps what was left when it was made
    if record.state == "running":
        there = len(state.campaigns.streams_of(state.network, record))
    notes = list(notes_of(record, there))
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
        notes=notes,
    )


def _reporting(state: ControllerState, record: CampaignRecord) -> int:
    """Return how many of a campaign's streams brought a window of late."""
    asked = state.campaigns.streams_of(state.network, record)
    ids = np.array([stream.stream_id for stream in asked], np.uint64)
    window_ns = state.settings.window_ms * 1_000_000
    fresh = (
        state.live.latest.newest_of_streams.believed_ns
        > state.clock.wall_ns() - LATE_WINDOWS * window_ns
    )
    mine = np.isin(state.catalogue.stream_id, ids)
    return int(np.count_nonzero(mine & fresh))
