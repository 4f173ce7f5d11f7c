"""What a campaign would send, and what keeps it within the network's budget."""

import pathlib
from typing import Any

import msgspec
import pytest

from controller.campaigns.load import (
    MAX_JUDGED_WINDOWS,
    load_of,
    note_beyond_budget,
    note_unjudgeable,
    too_few,
)
from controller.campaigns.request import CampaignRequest, streams_of
from foundation.errors import ConfigError
from probes.packet_size import packet_bytes
from tests.controller.campaigns.campaign_calls import PAIR, asked
from tests.controller.conftest import SITES
from topology.model import PlannedStream
from topology.network import Network
from topology.site_file import load_network
from topology.source_lines import SourceLines
from topology.strict import Problems

Streams = tuple[PlannedStream, ...]


@pytest.fixture
def network(tmp_path: pathlib.Path) -> Network:
    file = tmp_path / "sites.toml"
    file.write_text(SITES, encoding="utf-8")
    return load_network(file)


@pytest.fixture
def problems() -> Problems:
    return Problems(pathlib.Path("campaign"), SourceLines(""))


def every(network: Network, interval_ms: float) -> Streams:
    stream: dict[str, Any] = {"protocol": "icmp", "interval_ms": interval_ms}
    body = asked() | {"mesh": [PAIR | {"stream": [stream]}]}
    return streams_of(network, msgspec.convert(body, CampaignRequest))


def test_what_is_new_and_what_runs_faster_is_counted_apart(network: Network) -> None:
    slow, fast = every(network, 100), every(network, 20)
    new = load_of(fast, (), fast)
    assert (new.streams, new.streams_added, new.streams_faster) == (1, 1, 0)
    assert new.packets_per_s == pytest.approx(50)
    assert new.bits_per_s == pytest.approx(50 * 8 * packet_bytes(fast[0].type_p))
    faster = load_of(fast, slow, fast)
    assert (faster.streams_added, faster.streams_faster) == (0, 1)
    assert faster.packets_per_s == pytest.approx(40)
    assert faster.busiest_agent is not None
    assert faster.busiest_agent.name == "nanjing"
    assert faster.busiest_agent.packets_per_s == pytest.approx(50)


def test_a_plan_without_streams_has_no_busiest_place(network: Network) -> None:
    load = load_of((), (), ())
    assert load.busiest_agent is None
    assert load.busiest_destination is None


def test_only_what_grows_beyond_the_budget_is_noted(network: Network, problems: Problems) -> None:
    budget = msgspec.structs.replace(network.budget, pair_packets_per_s=40.0)
    fast = every(network, 20)
    note_beyond_budget(budget, fast, fast, problems)  # beyond it already, but nothing is added
    problems.raise_if_any()
    note_beyond_budget(budget, every(network, 100), fast, problems)
    with pytest.raises(ConfigError, match="raise pair_packets_per_s under"):
        problems.raise_if_any()


def test_a_report_needs_three_windows(network: Network, problems: Problems) -> None:
    streams = every(network, 100)
    note_unjudgeable(streams, 30.0, 10_000, problems)
    problems.raise_if_any()
    note_unjudgeable(streams, 29.9, 10_000, problems)
    with pytest.raises(ConfigError, match="measure at least 30 s"):
        problems.raise_if_any()


def test_a_report_judges_so_many_windows_and_no_more(network: Network, problems: Problems) -> None:
    streams = every(network, 100)
    note_unjudgeable(streams, float(MAX_JUDGED_WINDOWS), 1000, problems)
    problems.raise_if_any()
    note_unjudgeable(streams, MAX_JUDGED_WINDOWS + 1.0, 1000, problems)
    with pytest.raises(ConfigError, match=r"measure at most 5e\+06 s"):
        problems.raise_if_any()


def test_probes_too_few_for_a_quantile_are_told_of_each_statistic(network: Network) -> None:
    streams = every(network, 1000)
    assert too_few(network.targets, streams, 1e7) == ()
    told = too_few(network.targets, streams, 2.0)
    assert told
    assert all("and 2 would be sent on each" in text.en for text in told)
    assert too_few(network.targets, (), 2.0) == ()
