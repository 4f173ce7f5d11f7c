"""`isochrone lab`: what it lists, and what it refuses before anything is started."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from lab.fleet.command import lab


def test_bundled_scenarios_are_listed() -> None:
    listed = CliRunner().invoke(lab, ["--list"])
    assert {"jiangsu", "clocks", "tiny"} <= set(listed.stdout.split())


@pytest.mark.parametrize(
    "fault", ["controller-kill", "controller-kill:", "agent-kill:3", "controller-kill:1e9"]
)
def test_a_fault_that_there_is_not_is_refused_with_the_one_there_is(fault: str) -> None:
    refused = CliRunner().invoke(lab, ["tiny", "--fault", fault])
    assert "controller-kill:SECONDS" in str(refused.exception)


def test_a_scenario_that_there_is_not_is_refused(tmp_path: Path) -> None:
    assert CliRunner().invoke(lab, [str(tmp_path / "none.toml")]).exit_code != 0


def test_a_table_that_could_not_be_written_is_said_before_it_is_measured(tmp_path: Path) -> None:
    refused = CliRunner().invoke(lab, ["tiny", "--json", str(tmp_path / "none" / "x.json")])
    assert "--json" in str(refused.exception)
