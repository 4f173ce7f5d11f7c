"""The metrics as a scraper reads them: its own parser, its own units."""

from __future__ import annotations

from typing import Any

from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from controller.api.metrics import exposition
from tests.controller.api.conftest import METRICS, scrape


async def test_every_family_has_a_kind_a_description_and_base_units(measured_path: Any) -> None:
    families = await scrape(measured_path)
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


async def test_paths_beyond_the_cap_are_left_out_and_counted(measured_path: Any) -> None:
    every = len(measured_path.services.rounds.scope.catalogue.paths)
    whole = await scrape(measured_path)
    assert len(whole["isochrone_path_state"].samples) == every
    assert whole["isochrone_metrics_paths_omitted"].samples[0].value == 0
    services = measured_path.services
    text, _ = exposition(services.readings.snapshots.now(), services.store.state(), "", 1)
    capped = {family.name: family for family in text_string_to_metric_families(text.decode())}
    assert len(capped["isochrone_path_state"].samples) == 1
    assert capped["isochrone_metrics_paths_omitted"].samples[0].value == every - 1


async def test_openmetrics_is_served_to_those_who_prefer_it(measured_path: Any) -> None:
    accept = "application/openmetrics-text; version=1.0.0"
    async with measured_path.session.get(METRICS, headers={"Accept": accept}) as answer:
        assert answer.content_type == "application/openmetrics-text"
        text = await answer.text()
    assert text.endswith("# EOF\n")
    assert list(openmetrics_parser.text_string_to_metric_families(text))
