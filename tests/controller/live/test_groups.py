"""Groups of targets: one compliance rate over pairs of sites."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from controller.judge.compliance import compliance, verdict_of_units
from controller.judge.evidence import FAIL, IMPOSSIBLE, NO_DATA, PASS, UNDECIDED

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("paths", "pair"),
    [
        ([PASS, PASS], PASS),
        ([PASS, UNDECIDED], UNDECIDED),
        ([PASS, NO_DATA], NO_DATA),
        ([IMPOSSIBLE, UNDECIDED], IMPOSSIBLE),
        ([FAIL, IMPOSSIBLE], FAIL),
        ([], NO_DATA),
    ],
)
def test_pair_is_as_good_as_its_worst_path(paths, pair):
    found = verdict_of_units(np.array(paths, np.int8), np.zeros(len(paths), np.int64), 1)
    assert found.tolist() == [pair]


def test_every_undecided_pair_widens_the_rate():
    verdicts = np.array([PASS, PASS, FAIL, UNDECIDED], np.int8)
    found = compliance(verdict_of_units(verdicts, np.array([0, 0, 1, 2]), 3))
    assert (found.ratio, found.low, found.high) == (0.5, 1 / 3, 2 / 3)


async def test_three_circles_have_one_rate(
    controller: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> None:
    now_ns = controller.services.clock.wall_ns()
    for agent in ("nanjing", "suzhou"):
        ids = [
            stream.stream_id
            for stream in controller.services.rounds.scope.streams
            if stream.path.source.site == agent and stream.type_p.protocol == "udp"
        ]
        batch = batch_of(ids, now_ns - 10 * SECOND, sent=200, rtt_ns=4e6)
        await controller.deliver(agent, chunk_of(batch, agent=agent, sequence=0))
    await controller.judge()
    group = (await controller.get("/api/v1/groups"))["items"][0]
    assert group["name"] == "jiangsu-circles"
    assert group["title"]["zh"] == "数据中心互联低时延达标率"
    assert group["targets"] == ["jiangsu-circle-1", "jiangsu-circle-3", "jiangsu-circle-5"]
    assert group["pairs"] == 1
    assert group["counts"]["pass"] == 1
    assert group["compliance"] == {"ratio": 1.0, "low": 1.0, "high": 1.0, "decided": 1, "passed": 1}
    assert group["goal_verdict"] == {"2025": "pass", "2030": "pass"}
    target = (await controller.get("/api/v1/targets"))["items"][2]
    assert target["group"] == "jiangsu-circles"


async def test_pair_without_measurement_leaves_the_rate_open(
    controller: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> None:
    await controller.judge()
    group = (await controller.get("/api/v1/groups"))["items"][0]
    assert group["counts"]["no_data"] == 1
    assert group["compliance"]["ratio"] is None
    assert group["goal_verdict"] == {"2025": "no_data", "2030": "no_data"}
