"""Paths as the API says them: what runs on each, its figures of the judged period, its state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, cast

import numpy as np

from controller.documents.ages import age_ms
from controller.documents.matrix import BADNESS
from controller.documents.paths import (
    DistanceDocument,
    EndDocument,
    Figures,
    PathDocument,
    PathStream,
)
from controller.documents.silence_documents import silence_document
from controller.documents.verdict_documents import verdict_name
from controller.documents.words import PathState
from controller.judge.evidence import Evidence
from controller.live.figures import finite
from controller.live.states import STATES
from controller.live.verdicts import Round
from controller.state import ControllerState
from probes.window import TIMESTAMPING
from topology.model import Interface, VerdictName


def path_documents(
    state: ControllerState, latest: Round, numbers: Iterable[int]
) -> list[PathDocument]:
    """Return the paths with these numbers."""
    states = state.snapshot().states().paths
    return [_document(state, latest, STATES[states[number]], number) for number in numbers]


def _document(
    state: ControllerState,
    latest: Round,
    state_name: str,
    number: int,
) -> PathDocument:
    catalogue = state.catalogue
    path, rows = catalogue.paths[number], catalogue.streams_of[number]
    distance = state.network.distance(path.source.site, path.destination.site)
    worst = _worst(latest, catalogue.demands_of[number])
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
        streams=[_stream(state, row) for row in rows],
        state=cast(PathState, state_name),
        worst_verdict=worst,
        figures={
            state.streams[row].type_p.protocol: _figures(state, latest, row)
            for row in reversed(rows)  # of several streams of a protocol the first one stands
        },
        silences=[found for row in rows if (found := silence_document(state, row)) is not None],
    )


def _stream(state: ControllerState, row: int) -> PathStream:
    stream = state.streams[row]
    return PathStream(
        stream_id=str(stream.stream_id),
        protocol=stream.type_p.protocol,
        type_p=stream.type_p.label(),
        interval_ms=stream.interval_ms,
    )


def _figures(state: ControllerState, latest: Round, row: int) -> Figures:
    evidence, newest_ns = latest.evidence, int(latest.aggregate.end_ns[row])
    now_ns = state.clock.wall_ns()
    believed_ns = int(latest.newest_of_streams.believed_ns[row])
    return Figures(
        sent=int(evidence.sent[row]),
        received=int(evidence.received[row]),
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
    if np.isnan(evidence.forward_mean_ns[row]):
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
