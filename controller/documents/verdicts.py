"""Verdicts with their intervals and reasons, their changes, and the matrix of the worst."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from controller.documents.path_schema import (
    ComparisonDocument,
    IntervalDocument,
    OtherReading,
    VerdictDocument,
)
from controller.documents.reasons import comparison_reason, improvement_reason
from controller.documents.silences import silence_of, told
from controller.documents.values import age_ms, finite
from controller.judge.evidence import LIMITING_FACTORS, NO_DATA, RATIO_KINDS, VERDICTS
from controller.judge.explain import explain
from foundation.text import Text
from topology.model import Direction, VerdictName

if TYPE_CHECKING:
    from controller.judge.pairing import Interval
    from controller.live.live_verdicts import Round
    from controller.live.snapshot import Snapshot


def verdict_document(now: Snapshot, row: int) -> VerdictDocument:
    """Return demand `row` with its verdict, interval and reason."""
    latest = now.round
    demand, judgements = now.scope.demands[row], latest.judgements
    shown, found = int(judgements.verdict[row]), int(latest.found[row])
    path, target = demand.path, demand.target
    stream = int(latest.rules.row[row])
    is_ratio = target.kind in ("loss", *RATIO_KINDS)
    newest_ns, now_ns = int(latest.newest_ns[row]), now.at_ns
    return VerdictDocument(
        target=target.name,
        path=path.id,
        source_site=path.source.site,
        destination_site=path.destination.site,
        source_carrier=path.source.carrier,
        destination_carrier=path.destination.carrier,
        ip_version=path.source.ip_version,
        protocol=None if stream < 0 else now.scope.streams[stream].type_p.protocol,
        verdict=verdict_name(shown),
        statistic=target.statistic,
        direction=target.direction,
        limit_ns=demand.limit_ns,
        limit_ratio=demand.limit_ratio if is_ratio else target.limit_ratio,
        measured=finite(judgements.measured[row]),
        low=finite(judgements.low[row]),
        high=finite(judgements.high[row]),
        unit="ratio" if is_ratio else "ns",
        other_reading=_other(target.direction, judgements.other_reading[row]),
        floor_ns=demand.distance.floor_ns,
        sent=int(judgements.sent[row]),
        lost=int(judgements.lost[row]),
        limiting_factor=LIMITING_FACTORS[judgements.limiting_factor[row]],
        needed_probes=finite(judgements.needed_samples[row]),
        needed_clock_bound_ns=finite(judgements.needed_clock_bound_ns[row]),
        evidence_ns=newest_ns or None,
        evidence_age_ms=age_ms(newest_ns, now_ns),
        max_age_ms=int(latest.limit_ns[row]) // 1_000_000 or None,
        stale=bool(latest.stale[row]),
        reason=_reason(now, row),
        since_ns=int(latest.since_ns[row]),
        judged_ns=latest.judged_ns or now.started_ns,
        pending=None if shown == found else verdict_name(found),
        position=finite(judgements.position[row]),
        comparison=_comparison(now, row),
        maintenance=bool(latest.maintenance[row]),
    )


def _comparison(now: Snapshot, row: int) -> ComparisonDocument | None:
    latest = now.round
    number = latest.comparison_of.get(row)
    other, found = now.scope.demands[row].other, latest.compared
    if number is None or other is None or found is None or latest.stale[row]:
        return None
    return ComparisonDocument(
        other_path=other.id,
        windows=int(found.windows[number]),
        sent=int(found.own_sent[number]),
        lost=int(found.own_lost[number]),
        other_sent=int(found.other_sent[number]),
        other_lost=int(found.other_lost[number]),
        delay_ratio=_interval(found.delay_ratio, number),
        delay_difference_ns=_interval(found.delay_difference_ns, number),
        loss_ratio=_interval(found.loss_ratio, number),
        loss_difference=_interval(found.loss_difference, number),
    )


def _interval(interval: Interval, i: int) -> IntervalDocument:
    return IntervalDocument(
        measured=finite(interval.point[i]),
        low=finite(interval.low[i]),
        high=finite(interval.high[i]),
    )


def _reason(now: Snapshot, row: int) -> Text:
    """Return why, as this round found it; while that waits to be confirmed, that it does."""
    latest = now.round
    found = latest.found[row]
    if latest.maintenance[row]:
        return Text(
            "In maintenance: the previous verdict is shown and does not count.",
            "维护中：沿用维护前的结论，不计入统计。",
        )
    stream = int(latest.rules.row[row])
    silence = silence_of(now, stream) if found == NO_DATA and stream >= 0 else None
    if silence is not None:
        return told(silence)
    if latest.stale[row] and found == NO_DATA:
        return _outlived(latest, row, now.at_ns)
    number = latest.comparison_of.get(row)
    if number is not None and latest.compared is not None:
        needed = float(latest.judgements.needed_samples[row])
        reason = comparison_reason(now.scope.demands[row], latest.compared, number, needed)
    elif now.scope.demands[row].target.kind == "improvement" and latest.improved is not None:
        reason = improvement_reason(now.scope.demands[row], latest.improved, row)
    else:
        judged = replace(latest.judgements, verdict=latest.found)
        reason = explain(latest.evidence, latest.rules, judged, row)
    if found == latest.judgements.verdict[row]:
        return reason
    return Text(
        f"Waits for the next round to confirm a change. {reason.en}",
        f"变化有待下一轮判定确认。{reason.zh}",
    )


def _outlived(latest: Round, row: int, now_ns: int) -> Text:
    age_s = (now_ns - int(latest.newest_ns[row])) / 1e9
    limit_s = int(latest.limit_ns[row]) / 1e9
    return Text(
        f"Nothing was measured for {age_s:,.0f} s, and evidence for this target may be "
        f"{limit_s:,g} s old at most: no data.",
        f"已有 {age_s:,.0f} 秒没有新的测量数据，而该指标的证据最多可保留 {limit_s:,g} 秒：无数据。",
    )


def verdict_name(code: np.int8 | int) -> VerdictName:
    """Return the name of a verdict's code."""
    names: tuple[VerdictName, ...] = VERDICTS
    return names[code]


def _other(direction: Direction, measured: np.float64) -> OtherReading | None:
    value = finite(measured)
    if value is None:
        return None
    other: Direction = "round_trip" if direction == "one_way" else "one_way"
    return OtherReading(direction=other, measured=value)
