"""What a campaign asks of a network, and what is wrong with what it names."""

import pathlib
from typing import Any

import msgspec
import pytest

from controller.campaigns.request import (
    CampaignRequest,
    existing_part,
    note_if_nothing,
    note_unknown_zone,
    problems_of,
    streams_of,
)
from foundation.errors import ConfigError
from tests.controller.campaigns.campaign_calls import asked
from tests.controller.conftest import SITES
from topology.network import Network
from topology.site_file import load_network
from topology.source_lines import SourceLines
from topology.strict import Problems


@pytest.fixture
def network(tmp_path: pathlib.Path) -> Network:
    file = tmp_path / "sites.toml"
    file.write_text(SITES, encoding="utf-8")
    return load_network(file)


def request(**more: Any) -> CampaignRequest:
    return msgspec.convert(asked(**more), CampaignRequest)


def pairs(*names: tuple[str, str]) -> dict[str, Any]:
    mesh = asked()["mesh"][0]
    return {"mesh": [mesh | {"pairs": [list(pair) for pair in names]}]}


def said(problems: Problems) -> str:
    with pytest.raises(ConfigError) as raised:
        problems.raise_if_any()
    return raised.value.message("en")


def test_its_streams_are_those_of_its_own_mesh_alone(network: Network) -> None:
    streams = streams_of(network, request())
    assert {(s.path.source.site, s.path.destination.site) for s in streams} == {
        ("nanjing", "suzhou")
    }
    assert sorted(s.type_p.protocol for s in streams) == ["icmp", "udp"]


def test_what_the_network_no_longer_has_is_left_out(network: Network) -> None:
    left = existing_part(network, request(**pairs(("nanjing", "suzhou"), ("nanjing", "gone"))))
    assert left.mesh[0].pairs == (("nanjing", "suzhou"),)
    assert existing_part(network, request(**pairs(("gone", "suzhou")))).mesh == ()


def test_targets_that_are_all_gone_do_not_become_every_target(network: Network) -> None:
    assert existing_part(network, request(targets=["gone"])).targets == ("gone",)


def test_an_unknown_site_or_target_is_named_with_the_nearest_known_word(network: Network) -> None:
    problems = problems_of(network, request(**pairs(("nanjing", "suzhuo"))))
    assert "did you mean `suzhou`?" in said(problems)
    known = network.targets[0].name
    problems = problems_of(network, request(targets=[known + "x"]))
    assert f"did you mean `{known}`?" in said(problems)
    problems_of(network, request(targets=[known])).raise_if_any()


def test_a_time_zone_that_is_none_and_a_mesh_of_nothing_are_noted() -> None:
    problems = Problems(pathlib.Path("campaign"), SourceLines(""))
    note_unknown_zone("Asia/Shanghai", problems)
    note_unknown_zone(None, problems)
    problems.raise_if_any()
    note_unknown_zone("Asia/Nanjing", problems)
    note_if_nothing((), problems)
    text = said(problems)
    assert "Asia/Nanjing" in text
    assert "select no path" in text
