"""The whole trial, by its command: the promise is kept."""

import json

import pytest
from click.testing import CliRunner

from isochrone import front_door

WAYS = ("one_way", "round_trip")


INTERVALS = (
    *(f"{kind}_{way}" for kind in ("quantile", "mean", "loss", "pdv") for way in WAYS),
    *("variation", "ratio", "compliance", "improvement_delay", "improvement_loss"),
    *(f"comparison_{what}" for what in ("delay_ratio", "delay_difference")),
    *(f"comparison_{what}" for what in ("loss_ratio", "loss_difference")),
)


@pytest.mark.parametrize("seed", [1])
def test_the_promise_is_kept(seed, tmp_path):
    file = tmp_path / "truth.json"
    ran = CliRunner().invoke(
        front_door, ["truth", "--cases", "200", "--seed", str(seed), "--json", str(file)]
    )
    assert ran.exit_code == 0, ran.output
    found = json.loads(file.read_text())
    assert found["cases"] == 200 == sum(each["cases"] for each in found["families"])
    assert found["wrong_pass"] + found["wrong_fail"] <= 10
    assert found["undecided_needlessly"] == 0
    assert found["undecided"] < 120
    assert set(found["coverage"]) == set(INTERVALS)
    assert min(found["coverage"].values()) >= 0.9  # some kinds have two dozen intervals
    assert found["broken"] == []
    assert "needlessly" in ran.output
