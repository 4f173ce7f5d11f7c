"""What is measured, as metrics: agents, targets and paths. What is unknown has no sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from controller.documents.targets import counted_verdicts
from controller.fleet.agents import FleetView
from controller.judge.evidence import VERDICTS
from controller.live.current_states import CurrentStates
from controller.live.scope import Scope
from controller.live.snapshot import Snapshot
from controller.live.states import STATES

_PATH_LABELS = (
    "path",
    "source_site",
    "destination_site",
    "source_carrier",
    "destination_carrier",
    "ip_version",
)
_FIGURES = (
    ("loss_ratio", "loss_ratio", "Lost probes over sent ones in the judged period.", 1.0),
    ("rtt_p50_ns", "rtt_p50_seconds", "Median round-trip delay of the judged period.", 1e-9),
    ("rtt_p95_ns", "rtt_p95_seconds", "95th percentile of the round-trip delay.", 1e-9),
    ("rtt_mean_ns", "rtt_mean_seconds", "Mean round-trip delay of what returned.", 1e-9),
    ("forward_p50_ns", "forward_p50_seconds", "Median one-way delay to the destination.", 1e-9),
    ("forward_p95_ns", "forward_p95_seconds", "95th percentile of that one-way delay.", 1e-9),
    ("backward_p50_ns", "backward_p50_seconds", "Median one-way delay back.", 1e-9),
)


def fleet_metrics(now: Snapshot, states: CurrentStates) -> Iterator[Metric]:
    """Yield how agents, paths, streams and campaigns are, and what agents say of their probes."""
    for kind, codes in (
        ("agents", states.agent_codes()),
        ("paths", states.paths),
        ("streams", states.streams),
    ):
        family = GaugeMetricFamily(
            f"isochrone_{kind}", f"How many {kind} are in each state.", labels=("state",)
        )
        counts = np.bincount(codes, minlength=len(STATES)).tolist()
        for name, count in zip(STATES, counts, strict=True):
            family.add_metric((name,), count)
        yield family
    family = GaugeMetricFamily(
        "isochrone_campaigns", "How many campaigns are in each state.", labels=("state",)
    )
    for name, count in now.campaign_counts().items():
        family.add_metric((name,), count)
    yield family
    stands = GaugeMetricFamily(
        "isochrone_agent_state", "1 for the state an agent is in.", labels=("agent", "state")
    )
    seen = GaugeMetricFamily(
        "isochrone_agent_last_seen_timestamp_seconds",
        "When an agent was last heard.",
        labels=("agent",),
    )
    for agent, name in states.agents.items():
        stands.add_metric((agent, name), 1)
        seen_ns = now.fleet.agents[agent].last_seen_ns
        if seen_ns is not None:
            seen.add_metric((agent,), seen_ns * 1e-9)
    yield from (stands, seen)
    yield from _accounts(now.fleet)


def _accounts(fleet: FleetView) -> Iterator[Metric]:
    """Yield what agents say became of their probes, and what their owners curtail."""
    sent, dropped = (
        CounterMetricFamily(f"isochrone_agent_{name}_probes", help_text, labels=labels)
        for name, help_text, labels in (
            ("sent", "Probes an agent sent since it was installed.", ("agent",)),
            ("dropped", "Of these, what will never be stored.", ("agent", "reason")),
        )
    )
    waiting = GaugeMetricFamily(
        "isochrone_agent_waiting_probes", "Of these, what waits in its spool.", labels=("agent",)
    )
    curtailed = GaugeMetricFamily(
        "isochrone_agent_curtailed_streams",
        "Streams that the policy of an agent's owner slows or refuses.",
        labels=("agent", "rule"),
    )
    refused = CounterMetricFamily(
        "isochrone_agent_messages_refused",
        "Messages of an agent's control channel that were none, or spoke for others.",
        labels=("agent",),
    )
    for agent in fleet.names:
        refused.add_metric((agent,), fleet.refused.get(agent, 0))
        health = fleet.health(agent)
        if health is None:
            continue
        of_rule: Counter[str] = Counter()
        for one in health.curtailed:
            of_rule[one.rule] += one.streams
        for rule, streams in of_rule.items():
            curtailed.add_metric((agent, rule), streams)
        if health.totals is not None:
            sent.add_metric((agent,), health.totals.made.get("probes", 0))
            waiting.add_metric((agent,), health.totals.waiting.get("probes", 0))
            of_reason: Counter[str] = Counter()
            for aggregate in health.totals.dropped:
                of_reason[aggregate.reason] += aggregate.counts.get("probes", 0)
            for reason, probes in of_reason.items():
                dropped.add_metric((agent, reason), probes)
    yield from (sent, dropped, waiting, curtailed, refused)


def target_metrics(now: Snapshot) -> Iterator[Metric]:
    """Yield how many paths of each target have which verdict."""
    latest, catalogue = now.round, now.scope.catalogue
    verdicts = GaugeMetricFamily(
        "isochrone_target_verdicts",
        "Paths of a target by verdict; those in maintenance are left out.",
        labels=("target", "verdict"),
    )
    for target in now.scope.network.targets:
        found = Counter(counted_verdicts(now, target).tolist())
        for code, name in enumerate(VERDICTS):
            verdicts.add_metric((target.name, name), found[code])
    yield verdicts
    stale = GaugeMetricFamily(
        "isochrone_target_stale_paths",
        "Of the paths without data, those whose evidence is too old.",
        labels=("target",),
    )
    for target in now.scope.network.targets:
        mine = catalogue.demand_target == catalogue.target_number[target.name]
        stale.add_metric((target.name,), int(np.count_nonzero(latest.stale[mine])))
    yield stale


def path_metrics(now: Snapshot, states: CurrentStates, count: int) -> Iterator[Metric]:
    """Yield the state and the figures of the first `count` paths, each protocol on its own."""
    latest, scope, catalogue = now.round, now.scope, now.scope.catalogue
    labels = [
        (
            path.id,
            path.source.site,
            path.destination.site,
            path.source.carrier,
            path.destination.carrier,
            str(path.source.ip_version),
        )
        for path in catalogue.paths[:count]
    ]
    stands = GaugeMetricFamily(
        "isochrone_path_state", "1 for the state a path is in.", labels=(*_PATH_LABELS, "state")
    )
    for label, code in zip(labels, states.paths[:count].tolist(), strict=True):
        stands.add_metric((*label, STATES[code]), 1)
    yield stands
    rows = [row for number in range(count) for row in _first_of_protocols(scope, number)]
    keys = [
        (*labels[int(catalogue.stream_path[row])], scope.streams[row].type_p.protocol)
        for row in rows
    ]
    newest_ns = latest.aggregate.end_ns[rows]
    newest = np.where(newest_ns > 0, newest_ns * 1e-9, np.nan)
    believed_ns = latest.newest_of_streams.believed_ns[rows]
    stale = believed_ns < now.at_ns - latest.stream_limit_ns[rows]
    columns: list[tuple[str, str, NDArray[np.floating[Any]]]] = [
        (name, text, np.where(stale, np.nan, latest.figures[key][rows] * f))
        for key, name, text, f in _FIGURES
    ]
    columns.append(("last_window_timestamp_seconds", "When its newest window ended.", newest))
    for name, help_text, values in columns:
        family = GaugeMetricFamily(
            f"isochrone_path_{name}", help_text, labels=(*_PATH_LABELS, "protocol")
        )
        for at in np.flatnonzero(np.isfinite(values)).tolist():
            family.add_metric(keys[at], float(values[at]))
        yield family


def _first_of_protocols(scope: Scope, number: int) -> Iterable[int]:
    """Return the path's streams whose figures stand for it: the first one of each protocol."""
    rows: dict[str, int] = {}
    for row in scope.catalogue.streams_of[number]:
        rows.setdefault(scope.streams[row].type_p.protocol, row)
    return rows.values()
