"""Scenario files: the bundled ones stand, broken ones say what is wrong."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

from foundation.errors import ConfigError
from lab.fleet.scenario import bundled_scenarios, find_scenario, load_scenario
from topology.mesh import plan_streams
from topology.targets import demands


@pytest.mark.parametrize("name", bundled_scenarios())
def test_bundled_scenarios_load_without_a_warning(name: str) -> None:
    scenario = load_scenario(find_scenario(name))
    assert scenario.network.warnings == ()
    ends = {interface.address: i for i, interface in enumerate(scenario.interfaces)}
    for stream in plan_streams(scenario.network):
        a, b = ends[stream.path.source.address], ends[stream.path.destination.address]
        assert np.isfinite(scenario.table.delay_ns[a, b])


def test_jiangsu_has_what_the_demonstration_needs() -> None:
    scenario = load_scenario(find_scenario("jiangsu"))
    sites = scenario.network.sites.values()
    assert len({site.city for site in sites if site.province == "jiangsu"}) == 13
    assert sum(len({i.carrier for i in site.interfaces}) >= 2 for site in sites) >= 5
    asked = demands(scenario.network, plan_streams(scenario.network))
    ends = {interface.id: i for i, interface in enumerate(scenario.interfaces)}
    failing = {
        demand.target.name
        for demand in asked
        if demand.limit_ns is not None
        and demand.target.direction == "one_way"
        and scenario.table.delay_ns[ends[demand.path.source.id], ends[demand.path.destination.id]]
        > demand.limit_ns
    }
    circles = {f"jiangsu-circle-{ms}" for ms in (1, 3, 5)}
    yancheng = {"yancheng-city", "yancheng-shanghai", "yancheng-delta"}
    assert circles | yancheng <= failing
    assert any(demand.impossible for demand in asked)


def test_no_delay_is_below_light_in_fibre() -> None:
    scenario = load_scenario(find_scenario("jiangsu"))
    for row, source in enumerate(scenario.interfaces):
        for column, destination in enumerate(scenario.interfaces):
            delay_ns = scenario.table.delay_ns[row, column]
            if np.isfinite(delay_ns):
                floor_ns = scenario.network.distance(source.site, destination.site).floor_ns
                assert delay_ns > floor_ns, (source.id, destination.id)


def test_an_unknown_key_is_named_with_the_nearest_known_one(tmp_path: pathlib.Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text('[scenario]\nname = "x"\nsites = "y"\nsede = 4\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_scenario(broken)
    assert "broken.toml:4" in caught.value.text.en
    assert "`seed`" in caught.value.text.en
    assert "`seed`" in caught.value.text.zh


def test_a_site_that_is_not_there_is_named(tmp_path: pathlib.Path) -> None:
    tiny = find_scenario("tiny")
    (tmp_path / "tiny.sites.toml").write_bytes((tiny.parent / "tiny.sites.toml").read_bytes())
    broken = tmp_path / "tiny.toml"
    text = tiny.read_text(encoding="utf-8").replace('to = "yancheng"', 'to = "yanchen"')
    broken.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_scenario(broken)
    assert "yanchen" in caught.value.text.en
    assert "`yancheng`" in caught.value.text.en


def test_a_scenario_that_is_not_bundled_says_which_are() -> None:
    with pytest.raises(ConfigError, match="jiangsu"):
        find_scenario("jangsu")
