"""The metrics as a scraper reads them: its own parser, its own units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from controller.api.metrics import exposition
from messages.exchange import Curtailment, Dropped, Health, Totals

SECOND = 1_000_000_000
PATH = "nanjing.telecom.v4>suzhou.telecom.v4"
ADDRESS = "http://controller/metrics"


@pytest.fixture
async def measured(
    controller: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> Any:
    """A controller that holds a window of one path and has judged it."""
    ids = [
        stream.stream_id
        for stream in controller.services.rounds.scope.streams
        if stream.path.id == PATH
    ]
    batch = batch_of(ids[:1], controller.services.clock.wall_ns() - 10 * SECOND, sent=100, lost=25)
    await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=0))
    await controller.deliver("nanjing", b"rubbish", 400)
    await controller.judge()
    return controller


async def scrape(controller: Any) -> dict[str, Metric]:
    async with controller.session.get(ADDRESS) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        return {
            family.name: family for family in text_string_to_metric_families(await answer.text())
        }


async def test_every_family_has_a_kind_a_description_and_base_units(measured: Any) -> None:
    families = await scrape(measured)
    for name, family in families.items():
        assert name.startswith("isochrone_"), name
        assert family.type in ("gauge", "counter", "info"), name
        assert family.documentation.endswith("."), name
        assert not name.endswith(("_ns", "_ms")), name
    keys = [
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in families.values()
        for sample in family.samples
    ]
    assert len(keys) == len(set(keys))


async def test_path_has_its_figures_in_seconds_and_none_where_nothing_is_known(
    measured: Any,
) -> None:
    families = await scrape(measured)
    (delay,) = families["isochrone_path_rtt_p50_seconds"].samples
    assert delay.labels == {
        "path": PATH,
        "source_site": "nanjing",
        "destination_site": "suzhou",
        "source_carrier": "telecom",
        "destination_carrier": "telecom",
        "ip_version": "4",
        "protocol": measured.services.rounds.scope.streams[0].type_p.protocol,
    }
    assert delay.value == pytest.approx(0.004)
    assert families["isochrone_path_rtt_p95_seconds"].samples == []  # among the lost
    (loss,) = families["isochrone_path_loss_ratio"].samples
    assert loss.value == 0.25


async def test_fleet_is_counted(measured: Any) -> None:
    families = await scrape(measured)
    agents = {s.labels["state"]: s.value for s in families["isochrone_agents"].samples}
    assert (agents["ok"], agents["never_seen"], sum(agents.values())) == (1, 1, 2)
    refused = {s.labels["reason"]: s.value for s in families["isochrone_ingest_refused"].samples}
    assert refused == {"malformed_chunk": 1}
    assert families["isochrone_ingest_windows"].samples[0].value == 1
    verdicts = families["isochrone_target_verdicts"].samples
    assert len({s.labels["target"] for s in verdicts}) == len(
        measured.services.rounds.scope.network.targets
    )


async def test_paths_beyond_the_cap_are_left_out_and_counted(measured: Any) -> None:
    every = len(measured.services.rounds.scope.catalogue.paths)
    whole = await scrape(measured)
    assert len(whole["isochrone_path_state"].samples) == every
    assert whole["isochrone_metrics_paths_omitted"].samples[0].value == 0
    services = measured.services
    text, _ = exposition(services.readings.snapshots.now(), services.store.state(), "", 1)
    capped = {family.name: family for family in text_string_to_metric_families(text.decode())}
    assert len(capped["isochrone_path_state"].samples) == 1
    assert capped["isochrone_metrics_paths_omitted"].samples[0].value == every - 1


async def test_openmetrics_is_served_to_those_who_prefer_it(measured: Any) -> None:
    accept = "application/openmetrics-text; version=1.0.0"
    async with measured.session.get(ADDRESS, headers={"Accept": accept}) as answer:
        assert answer.content_type == "application/openmetrics-text"
        text = await answer.text()
    assert text.endswith("# EOF\n")
    assert list(openmetrics_parser.text_string_to_metric_families(text))


async def test_agents_books_and_curtailed_streams_are_shown(measured: Any) -> None:
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
    measured.services.fleet.heard("nanjing", health)
    families = await scrape(measured)
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
