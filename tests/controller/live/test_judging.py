"""What is judged together is a matter of memory, and changes no verdict."""

import pathlib
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.live.judging import Judge, blocks_of, in_their_places
from controller.live.memory import RecentWindows
from controller.store.aggregate import Aggregate
from probes.histogram import Histograms
from probes.window import COUNTERS, DISTRIBUTIONS, MEASURES, WindowBatch
from topology.mesh import plan_streams
from topology.site_file import load_network
from topology.targets import demands as make_demands

SECOND = 1_000_000_000
PAIRS = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=12)
SITES = """
[network]
name = "trial"
presets = ["jiangsu"]
[[site]]
name = "near"
city = "nanjing"
roles = ["international_channel", "ordinary_internet", "data_centre"]
important = true
interface = [{ carrier = "telecom", ipv4 = "192.0.2.1", ipv6 = "2001:db8::1" }]
[[site]]
name = "suzhou"
city = "suzhou"
roles = ["data_centre"]
important = true
interface = [{ carrier = "telecom", ipv4 = "192.0.2.5", ipv6 = "2001:db8::5" }]
[[site]]
name = "far"
city = "singapore"
roles = ["international_channel"]
interface = [{ carrier = "telecom", ipv4 = "192.0.2.2" }]
[[site]]
name = "plain"
city = "singapore"
roles = ["ordinary_internet"]
interface = [{ carrier = "telecom", ipv4 = "192.0.2.3" }]
[[mesh]]
name = "all"
stream = [{ protocol = "icmp" }, { protocol = "udp", port = 8620 }]
[[target]]
name = "p95"
title = { en = "p95", zh = "p95" }
kind = "delay"
statistic = "p95"
direction = "one_way"
limit_ms = 3.0
between = { roles = ["data_centre"] }

[target.source]
document = { en = "test", zh = "测试" }
issuer = { en = "us", zh = "我们" }
year = 2026
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory: Any) -> Any:
    path: pathlib.Path = tmp_path_factory.mktemp("sites") / "trial.toml"
    path.write_text(SITES, encoding="utf-8")
    return load_network(path)


def _batch(rng: np.random.Generator, ids: np.ndarray, start_ns: int) -> WindowBatch:
    """Return one random window of each stream, some of which lost everything."""
    rows = len(ids)
    received = np.where(rng.random(rows) < 0.1, 0, rng.integers(5, 12, rows))
    lost = rng.binomial(3, 0.2, rows)
    counters = {name: np.zeros(rows, np.uint32) for name in COUNTERS}
    counters["sent"], counters["received"] = (received + lost).astype("u4"), received.astype("u4")
    counters["lost_forward"] = lost.astype(np.uint32)
    row = np.repeat(np.arange(rows), received)
    forward = np.sort(rng.gamma(3.0, 4e5, len(row)))
    backward = rng.gamma(3.0, 4e5, len(row))
    samples = {"rtt": forward + backward, "forward": forward, "backward": backward}
    measures = {name: np.full(rows, np.nan) for name in MEASURES}
    for name, values in samples.items():
        for end, function in (("min", np.min), ("mean", np.mean), ("max", np.max)):
            measures[f"{name}_{end}_ns"] = np.array(
                [function(values[row == i]) if received[i] else np.nan for i in range(rows)]
            )
    measures["clock_bound_ns"] = np.where(rng.random(rows) < 0.7, 50_000.0, np.nan)
    samples["variation"] = np.abs(np.diff(samples["rtt"], prepend=0.0))
    return replace(
        WindowBatch.empty(start_ns, 10 * SECOND),
        stream_id=ids,
        counters=counters,
        measures=measures,
        distributions={
            name: Histograms.from_samples(row, samples[name], rows) for name in DISTRIBUTIONS
        },
        timestamping=rng.integers(1, 4, rows).astype(np.uint8),
        suspect=rng.random(rows) < 0.1,
    )


def _slots(seed: int, ids: list[int], windows: int) -> list[Aggregate]:
    """Return slots in which one stream has far more windows than the others."""
    rng = np.random.default_rng(seed)
    memory = RecentWindows(ids, windows * 10 * SECOND)
    for i in range(windows):
        here = rng.random(len(ids)) < (0.2 if i > 20 else 0.8)
        here[0] = True
        mine = np.sort(np.array(ids, np.uint64)[here])
        memory.add(_batch(rng, mine, i * 10 * SECOND))
    return list(memory.merged(memory.snapshot()).values())


def _differences(one: Any, other: Any, name: str = "") -> list[str]:
    if is_dataclass(one):
        inner = [(field.name, getattr(one, field.name)) for field in fields(one)]
        return [d for key, value in inner for d in _differences(value, getattr(other, key), key)]
    if isinstance(one, dict):
        return [d for key in one for d in _differences(one[key], other[key], f"{name} {key}")]
    is_float = np.asarray(one).dtype.kind == "f"
    return [] if np.array_equal(one, other, equal_nan=is_float) else [name]


@pytest.mark.parametrize(("seed", "windows"), [(1, 30), (2, 110)])
def test_verdicts_are_the_same_bit_for_bit_whatever_is_judged_together(
    network: Any, seed: int, windows: int
) -> None:
    streams = plan_streams(network)
    demands = make_demands(network, streams)
    kinds = {demand.target.kind for demand in demands}
    assert {"delay", "loss", "comparison", "ipv6_parity"} <= kinds
    slots = _slots(seed, [stream.stream_id for stream in streams], windows)
    calibration_ns = np.random.default_rng(seed).uniform(0, 5_000, len(streams))
    at_once, *by_blocks = (
        Judge(network, streams, demands, rows_at_once=rows_at_once).judge(slots, calibration_ns)
        for rows_at_once in (1_000, 7, 3)
    )
    assert len(set(at_once.judgements.verdict.tolist())) > 2
    for judged in by_blocks:
        assert _differences(at_once, judged) == []


@settings(deadline=None)
@given(PAIRS, st.integers(1, 25))
def test_every_row_is_in_one_block_and_linked_rows_share_theirs(
    pairs: list[tuple[int, int]], rows_at_once: int
) -> None:
    linked = np.array(pairs, np.int64).reshape(-1, 2)
    blocks = blocks_of(20, linked, rows_at_once)
    assert sorted(np.concatenate(blocks).tolist()) == list(range(20))
    assert all((np.diff(block) > 0).all() for block in blocks)
    number = {int(row): i for i, block in enumerate(blocks) for row in block}
    assert all(number[a] == number[b] for a, b in pairs)


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(1, 60))
def test_rows_that_are_not_linked_stay_side_by_side(rows: int, rows_at_once: int) -> None:
    alone = blocks_of(rows, np.zeros((0, 2), np.int64), rows_at_once)
    assert [row for block in alone for row in block.tolist()] == list(range(rows))
    assert max(map(len, alone)) <= rows_at_once
    if rows:
        with_itself = blocks_of(rows, np.array([[0, 0]]), rows_at_once)
        assert list(map(list, with_itself)) == list(map(list, alone))


def test_a_map_without_streams_has_one_empty_block() -> None:
    assert [block.tolist() for block in blocks_of(0, np.zeros((0, 2), np.int64))] == [[]]


def test_what_was_found_in_blocks_returns_to_its_places() -> None:
    @dataclass
    class Column:
        value: np.ndarray

    aggregates = [
        {"one": np.array([30, 10]), "other": Column(np.array([3.0, 1.0]))},
        {"one": np.array([0, 20]), "other": Column(np.array([0.0, 2.0]))},
    ]
    joined = in_their_places(aggregates, [np.array([3, 1]), np.array([0, 2])])
    assert joined["one"].tolist() == [0, 10, 20, 30]
    assert joined["other"].value.tolist() == [0.0, 1.0, 2.0, 3.0]
