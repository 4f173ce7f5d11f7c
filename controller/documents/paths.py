"""Paths, the streams on them and their latest figures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from controller.documents.matrix import BADNESS
from controller.documents.path_schema import (
    CurtailmentDocument,
    DistanceDocument,
    EndDocument,
    Figures,
    PathDocument,
    PathStream,
    StreamDocument,
)
from controller.documents.silences import silence_document
from controller.documents.values import PathState, age_ms, finite
from controller.documents.verdicts import verdict_name
from controller.live.states import STATES
from probes.window import TIMESTAMPING
from topology.model import Interface, PlannedStream, VerdictName

if TYPE_CHECKING:
    from controller.judge.evidence import Evidence
    from controller.live.live_verdicts import Round
    from controller.live.snapshot import Snapshot


def path_documents(now: Snapshot, numbers: Iterable[int]) -> list[PathDocument]:
    """Return the paths with these numbers."""
    states = now.states().paths
    return [_document(now, STATES[states[number]], number) for number in numbers]


def _document(
    now: Snapshot,
    state_name: str,
    number: int,
) -> PathDocument:
    catalogue = now.scope.catalogue
    path, rows = catalogue.paths[number], catalogue.streams_of[number]
    distance = now.scope.network.distance(path.source.site, path.destination.site)
    worst = _worst(now.round, catalogue.demands_of[number])
    return PathDocument(
        id=path.id,
        source=_end(path.source),
        destination=_end(path.destination),
        ip_version=path.source.ip_version,
        between_carriers=path.between_carriers,
        distance=DistanceDocument(
            great_circle_km=distance.great_circle_km,
            road_km=distance.road_km,
            road_uncertainty_ratio=distance.road_uncertainty_ratio,
            given=distance.given,
            floor_ns=distance.floor_ns,
            theoretical_ns=distance.theoretical_ns,
        ),
        streams=[_stream(now, row) for row in rows],
        state=cast(PathState, state_name),
        worst_verdict=worst,
        figures={
            now.scope.streams[row].type_p.protocol: _figures(now, row)
            for row in reversed(rows)  # of several streams of a protocol the first one stands
        },
        silences=[found for row in rows if (found := silence_document(now, row)) is not None],
    )


def _stream(now: Snapshot, row: int) -> PathStream:
    stream = now.scope.streams[row]
    return PathStream(
        stream_id=str(stream.stream_id),
        protocol=stream.type_p.protocol,
        type_p=stream.type_p.label(),
        interval_ms=stream.interval_ms,
    )


def _figures(now: Snapshot, row: int) -> Figures:
    latest = now.round
    evidence, newest_ns = latest.evidence, int(latest.aggregate.end_ns[row])
    now_ns = now.at_ns
    believed_ns = int(latest.newest_of_streams.believed_ns[row])
    return Figures(
        sent=int(evidence.sent[row]),
        received=int(evidence.counters["received"][row]),
        lost=int(evidence.lost[row]),
        one_way=_one_way(evidence, row),
        clock_bound_ns=finite(evidence.clock_bound_ns[row]),
        timestamping=TIMESTAMPING[latest.aggregate.timestamping[row]],
        last_window_ns=newest_ns or None,
        age_ms=age_ms(believed_ns, now_ns),
        stale=bool(newest_ns and believed_ns < now_ns - latest.stream_limit_ns[row]),
        **{name: finite(column[row]) for name, column in latest.figures.items()},
    )


def _one_way(evidence: Evidence, row: int) -> Literal["absolute", "relative", "none"]:
    if np.isnan(evidence.mean_ns["forward"][row]):
        return "none"
    return "relative" if np.isnan(evidence.clock_bound_ns[row]) else "absolute"


def _worst(latest: Round, demands: tuple[int, ...]) -> VerdictName | None:
    if not demands:
        return None
    verdicts = latest.judgements.verdict[list(demands)]
    return verdict_name(verdicts[np.argmax(BADNESS[verdicts])])


def _end(interface: Interface) -> EndDocument:
    return EndDocument(
        site=interface.site,
        interface=interface.id,
        carrier=interface.carrier,
        address=interface.address,
    )


def stream_document(now: Snapshot, row: int, state_name: str) -> StreamDocument:
    """Return the stream in a row, whose state is that."""
    stream = now.scope.streams[row]
    type_p = stream.type_p
    return StreamDocument(
        stream_id=str(stream.stream_id),
        path=stream.path.id,
        protocol=type_p.protocol,
        type_p=type_p.label(),
        ip_version=type_p.ip_version,
        payload_bytes=type_p.payload_bytes,
        dscp=type_p.dscp,
        port=type_p.port,
        interval_ms=stream.interval_ms,
        flows=stream.flows,
        timeout_ms=stream.timeout_ms,
        state=cast(PathState, state_name),
        last_window_ns=int(now.round.aggregate.end_ns[row]) or None,
        curtailed=_curtailment(now, stream),
        silence=silence_document(now, row),
    )


def _curtailment(now: Snapshot, stream: PlannedStream) -> CurtailmentDocument | None:
    found = now.fleet.curtailment(stream.path.source.site, stream.stream_id)
    if found is None:
        return None
    return CurtailmentDocument(
        stream_id=str(found.stream_id),
        rule=found.rule,
        action=found.action,
        interval_ms=found.interval_ms,
    )
