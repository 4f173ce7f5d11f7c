"""Harm is done to a real fleet over mutual TLS, and every probe is accounted for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
# No fault of the issue may be without a row.
WANTED = {
    "controller-killed",
    "agent-killed",
    "link-cut",
    "agent-clock",
    "controller-clock",
    "agent-disk",
    "controller-disk",
    "from-memory",
    "damaged-spool",
    "expired",
    "revoked",
    "foreign",
    "impostor",
    "replayed",
    "forged-batch",
    "forged-plan",
    "beyond-policy",
}


def faults(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "lab.faults", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "ISOCHRONE_LANG": "en", "OPENBLAS_NUM_THREADS": "1"},
    )


def test_every_fault_has_a_row() -> None:
    assert set(faults("--list").stdout.split()) >= WANTED


@pytest.mark.network
def test_every_probe_is_accounted_for_after_kills_and_cuts(tmp_path: Path) -> None:
    run = faults("storm", "--short", "--json", str(tmp_path / "rows.json"))
    if "namespaces of its own" in run.stderr:
        pytest.skip(f"needs root or user namespaces: {run.stderr}")
    assert run.returncode == 0, run.stdout + run.stderr
    (row,) = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    assert (row["windows_difference"], row["probes_difference"]) == (0, 0)
    assert row["problems"] == []
    assert row["probes_sent"] > 500
    assert row["probes_sent"] == row["probes_stored"] + row["probes_dropped"]
