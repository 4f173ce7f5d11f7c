"""`isochrone run` without a terminal: real networks are measured for a while, and judged."""

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from foundation.errors import ConfigError, ResourceError
from lab.fleet.children import child_environment, isochrone_command
from lab.fleet.run_command import run
from lab.fleet.table import verdict_lines

SITES = """
[network]
name = "t"
title = { en = "T", zh = "试" }
[[site]]
name = "here"
city = "nanjing"
interface = [{ carrier = "telecom", ipv4 = "127.0.0.9" }]
[[site]]
name = "there"
city = "suzhou"
interface = [{ carrier = "telecom", ipv4 = "127.0.0.10" }]
[[mesh]]
name = "all"
stream = [{ protocol = "icmp", interval_ms = 20.0 }]
[[target]]
name = "quick"
title = { en = "Quick", zh = "快" }
kind = "delay"
limit_ms = 500.0
direction = "round_trip"
"""


@pytest.fixture
def sites(tmp_path: Path) -> Path:
    file = tmp_path / "sites.toml"
    file.write_text(SITES, encoding="utf-8")
    return file


@pytest.mark.network
def test_a_real_network_is_measured_for_as_long_as_asked_and_its_table_printed(
    sites: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    words = ["--sites", str(sites), "--seconds", "2", "--keep", str(kept)]
    done = subprocess.run(
        isochrone_command("run", *words),
        capture_output=True,
        text=True,
        check=False,
        env=child_environment() | {"ISOCHRONE_LANG": "en"},
    )
    assert done.returncode == 0, done.stderr
    assert "Measuring from here, there: unix://" in done.stderr
    heading = verdict_lines([], "en")[0].split()
    assert done.stdout.splitlines()[0].split()[: len(heading)] == heading
    assert (kept / "controller.log").exists()
    assert (kept / "agent-here.log").exists()


def test_a_network_that_is_nowhere_on_this_machine_is_refused(sites: Path) -> None:
    sites.write_text(SITES.replace("127.0.0.", "203.0.113."), encoding="utf-8")
    refused = CliRunner().invoke(run, ["--sites", str(sites), "--seconds", "2"])
    assert isinstance(refused.exception, ConfigError)
    assert "address of this machine" in refused.exception.text.en


def test_a_directory_with_something_in_it_is_not_written_to(sites: Path) -> None:
    words = ["--sites", str(sites), "--keep", str(sites.parent)]
    refused = CliRunner().invoke(run, words)
    assert isinstance(refused.exception, ResourceError)
    assert list(sites.parent.iterdir()) == [sites]


@pytest.mark.parametrize("seconds", ["1", "0", "-5", "86401", "nan", "soon"])
def test_a_time_that_no_run_can_last_is_refused(sites: Path, seconds: str) -> None:
    refused = CliRunner().invoke(run, ["--sites", str(sites), "--seconds", seconds])
    assert refused.exit_code == 2
    assert "--seconds" in refused.output
