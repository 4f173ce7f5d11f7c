"""The other opinion: verdicts from the log and the limit alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from foundation.text import Text
from lab.fleet.expected import Truth, expected_verdict, truth_of
from lab.fleet.truth import Probes
from topology.model import Demand, Distance, Interface, Path, Source, Target

MS = 1e6
TARGET = Target(
    name="t", title=Text("t", "t"), source=Source(document=Text("d", "d")), kind="delay", limit_ms=5
)
LOSS = Target(
    name="l",
    title=Text("l", "l"),
    source=Source(document=Text("d", "d")),
    kind="loss",
    limit_ratio=0.0077,
    direction="round_trip",
)
PATH = Path(
    source=Interface(id="a.t.v4", site="a", carrier="t", address="10.0.0.1"),
    destination=Interface(id="b.t.v4", site="b", carrier="t", address="10.0.0.2"),
)
DISTANCE = Distance(
    great_circle_km=1,
    road_km=1,
    road_uncertainty_ratio=0.1,
    given=False,
    floor_ns=5e3,
    theoretical_ns=5e3,
)


def demand(target: Target, *, impossible: bool = False) -> Demand:
    limit_ns = None if target.limit_ms is None else target.limit_ms * MS
    return Demand(
        target=target,
        path=PATH,
        distance=DISTANCE,
        limit_ns=limit_ns,
        limit_ratio=target.limit_ratio,
        impossible=impossible,
    )


def probes(forward_ms: list[float], backward_ms: float = 1.0) -> Probes:
    count = len(forward_ms)
    zero = np.zeros(count, np.int64)
    return Probes(
        zero,
        zero,
        zero,
        np.arange(count),
        np.array(forward_ms) * MS,
        np.full(count, backward_ms * MS),
    )


def test_a_lost_probe_is_an_infinite_delay_to_a_quantile() -> None:
    truth = truth_of(TARGET, probes([1.0] * 90 + [math.nan] * 10))
    assert truth.value == math.inf
    assert truth_of(TARGET, probes([1.0] * 99 + [math.nan])).value == 1 * MS


def test_clear_figures_are_decided() -> None:
    assert expected_verdict(demand(TARGET), truth_of(TARGET, probes([4.0] * 100))) == "pass"
    assert expected_verdict(demand(TARGET), truth_of(TARGET, probes([6.0] * 100))) == "fail"


def varying(**more: Any) -> Target:
    return Target(
        name="v", title=TARGET.title, source=TARGET.source, kind="variation", limit_ms=1, **more
    )


def test_variation_is_of_what_came_back_above_its_least_or_between_neighbours() -> None:
    seen = probes([1.0, math.nan, 1.4, 1.5] * 25)
    for direction in ("one_way", "round_trip"):
        pdv = truth_of(varying(direction=direction), seen)
        assert pdv.value == pytest.approx(0.5 * MS)
        assert pdv.samples == 75
    ipdv = truth_of(varying(variation="ipdv", direction="round_trip"), seen)
    assert ipdv.value == pytest.approx(0.5 * MS)
    assert ipdv.samples == 49
    assert math.isnan(truth_of(varying(), probes([math.nan] * 5)).value)


@pytest.mark.parametrize("at_ms", [4.99, 5.0, 5.01])
def test_a_figure_at_the_limit_is_not_decided_by_truth(at_ms: float) -> None:
    truth = truth_of(TARGET, probes([at_ms] * 100))
    assert expected_verdict(demand(TARGET), truth) == "either"


def test_too_few_probes_decide_no_p95() -> None:
    assert expected_verdict(demand(TARGET), truth_of(TARGET, probes([4.0] * 40))) == "either"


def test_an_impossible_target_is_impossible_whatever_was_measured() -> None:
    truth = Truth(math.nan, math.nan, math.nan, 0)
    assert expected_verdict(demand(TARGET, impossible=True), truth) == "impossible"
    assert expected_verdict(demand(TARGET), truth) == "no_data"


def test_loss_counts_both_directions_of_a_round_trip() -> None:
    lost = probes([1.0] * 1950 + [math.nan] * 50)
    truth = truth_of(LOSS, lost)
    assert truth.value == pytest.approx(0.025)
    assert truth.low < 0.025 < truth.high
    assert expected_verdict(demand(LOSS), truth) == "fail"
    assert expected_verdict(demand(LOSS), truth_of(LOSS, probes([1.0] * 2000))) == "pass"
    near = probes([1.0] * 1985 + [math.nan] * 15)
    assert expected_verdict(demand(LOSS), truth_of(LOSS, near)) == "either"
