"""What `isochrone probe --json` writes of a target; docs/guides/probe.md says what keys mean."""

from __future__ import annotations

import json
import math
from typing import Any

from agent.probe.figures import DELAY_KEYS, FLOW_KEYS
from agent.probe.findings import Hops
from agent.probe.output import is_one_way_known
from agent.probe.reasons import sentences
from agent.probe.result import FlowResult, TargetResult
from foundation.text import Language, language_of_environment, plain
from probes.protocols.registry import protocol_of
from probes.remark import Remark


def json_line(result: TargetResult) -> str:
    """Return one target as a JSON object. `null` where a delay is unknown or infinite (lost)."""
    language = language_of_environment()
    pace = result.pace
    document: dict[str, Any] = {
        "target": result.target,
        "protocol": result.protocol,
        "address": result.address,
        "port": result.port,
        "asked": result.asked,
        "sent": result.sent,
        "not_sent": sum(result.not_sent.values()),
        "not_sent_causes": result.not_sent,
        "asked_rate": None if pace is None else pace.asked_rate,
        "sent_rate": None if pace is None else round(pace.sent_rate, 3),
        "kept_ratio": None if pace is None else round(pace.kept_ratio, 6),
        "received": result.received,
        "lost": result.lost,
        "loss_ratio": result.loss_ratio,
        "unread": result.unread,
        "in_flight": result.in_flight,
        "discarded": result.discarded,
        "late": result.late,
        "duplicate": result.duplicate,
        **_hops(result.hops),
        "dscp": result.marks.document(),
        "timestamping": result.timestamping,
        "rtt_ns": _delays(result.rtt_ns, DELAY_KEYS),
        "flows": [_flow(flow, result) for flow in result.flows],
        "remarks": [_remark(remark, result, language) for remark in result.told()],
    }
    if is_one_way_known(result):
        document["forward_ns"] = _delays(result.forward_ns, DELAY_KEYS)
        document["backward_ns"] = _delays(result.backward_ns, DELAY_KEYS)
    if result.nonconforming_replies:
        document["nonconforming_replies"] = result.nonconforming_replies
    if result.error is not None:
        document["error"] = _sentence(result.error, result, language)
    return plain(json.dumps(document, ensure_ascii=False))


def _flow(flow: FlowResult, result: TargetResult) -> dict[str, Any]:
    """Return one flow, with what tells it from the others."""
    return {
        "flow": flow.flow,
        protocol_of(result.protocol).flow_mark.key: flow.mark.mark,
        "flow_label": flow.mark.label,
        "sent": flow.sent,
        "received": flow.received,
        "lost": flow.lost,
        "loss_ratio": flow.loss_ratio,
        "unread": flow.unread,
        "in_flight": flow.in_flight,
        "late": flow.late,
        **_hops(flow.hops),
        "rtt_ns": _delays(flow.rtt_ns, FLOW_KEYS),
    }


def _hops(hops: Hops) -> dict[str, Any]:
    return {"ttl": hops.ttl, "hops": {"forward": hops.forward, "backward": hops.backward}}


def _remark(remark: Remark, result: TargetResult, language: Language) -> dict[str, Any]:
    """Return a sentence with its code, and the ICMP error it is based on, if any."""
    told: dict[str, Any] = {"code": remark.code, "text": _sentence(remark, result, language)}
    cause = remark.cause
    if cause.icmp:
        told["icmp"] = {
            "version": cause.icmp,
            "type": cause.kind,
            "code": cause.code,
            "from": cause.said_by or None,
        }
    return told


def _sentence(remark: Remark, result: TargetResult, language: Language) -> str:
    (sentence,) = sentences([(remark, result.target, result.address)])
    return sentence.pick(language)


def _delays(figures: dict[str, float], keys: tuple[str, ...]) -> dict[str, float | None]:
    return {key: (round(figures[key], 1) if math.isfinite(figures[key]) else None) for key in keys}
