"""Agents, targets and paths as metrics: in seconds and ratios, absent where nothing is known."""

from __future__ import annotations

from typing import Any

import pytest

from messages.exchange import Curtailment, Dropped, Health, Totals
from tests.controller.api.conftest import PATH, scrape


async def test_path_has_its_figures_in_seconds_and_none_where_nothing_is_known(
    measured_path: Any,
) -> None:
    families = await scrape(measured_path)
    (delay,) = families["isochrone_path_rtt_p50_seconds"].samples
    assert delay.labels == {
        "path": PATH,
        "source_site": "nanjing",
        "destination_site": "suzhou",
        "source_carrier": "telecom",
        "destination_carrier": "telecom",
        "ip_version": "4",
        "protocol": measured_path.services.rounds.scope.streams[0].type_p.protocol,
    }
    assert delay.value == pytest.approx(0.004)
    assert families["isochrone_path_rtt_p95_seconds"].samples == []  # among the lost
    (loss,) = families["isochrone_path_loss_ratio"].samples
    assert loss.value == 0.25


async def test_fleet_is_counted(measured_path: Any) -> None:
    families = await scrape(measured_path)
    agents = {s.labels["state"]: s.value for s in families["isochrone_agents"].samples}
    assert (agents["ok"], agents["never_seen"], sum(agents.values())) == (1, 1, 2)
    refused = {s.labels["reason"]: s.value for s in families["isochrone_ingest_refused"].samples}
    assert refused == {"malformed_chunk": 1}
    assert families["isochrone_ingest_windows"].samples[0].value == 1
    verdicts = families["isochrone_target_verdicts"].samples
    assert len({s.labels["target"] for s in verdicts}) == len(
        measured_path.services.rounds.scope.network.targets
    )


async def test_agents_books_and_curtailed_streams_are_shown(measured_path: Any) -> None:
    totals = Totals(
        made={"probes": 100, "windows": 9},
        waiting={"probes": 10, "windows": 1},
        dropped=(Dropped(reason="cut_off", counts={"probes": 7}),),
    )
    health = Health(
        version="0",
        boot="b",
        started_ns=0,
        sent_ns=0,
        totals=totals,
        curtailed=(Curtailment(rule="policy.ports", action="refused", streams=3),),
    )
    measured_path.services.fleet.heard("nanjing", health)
    families = await scrape(measured_path)
    shown = {
        name: [(dict(s.labels), s.value) for s in families[f"isochrone_agent_{name}"].samples]
        for name in ("sent_probes", "waiting_probes", "dropped_probes", "curtailed_streams")
    }
    assert shown == {
        "sent_probes": [({"agent": "nanjing"}, 100)],
        "waiting_probes": [({"agent": "nanjing"}, 10)],
        "dropped_probes": [({"agent": "nanjing", "reason": "cut_off"}, 7)],
        "curtailed_streams": [({"agent": "nanjing", "rule": "policy.ports"}, 3)],
    }
