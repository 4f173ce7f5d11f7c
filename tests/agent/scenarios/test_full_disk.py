"""A disk that is really full: a small tmpfs in its own mount namespace."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.network

MOUNT = "mount -t tmpfs -o size=640k tmpfs {where}"
# Spools 400 windows per chunk beside a file that fills the disk; then the file goes.
SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
from agent.spool.spooler import Spooler
from messages.sections.windows import WINDOWS
from probes.window import WindowBatch
from tests_windows import windows

where, memory = Path(sys.argv[1]), int(sys.argv[2])
spooler = Spooler(where / "s", agent="a1", max_bytes=1 << 20, max_age_s=1e9, memory_bytes=memory)
def state():
    told = spooler.call(spooler.do_state).result()
    return {"fault": told.fault, "in_memory": told.in_memory,
            "waiting": told.totals.waiting.get("probes", 0),
            "dropped": sum(one.counts["probes"] for one in told.totals.dropped),
            "reasons": [one.reason for one in told.totals.dropped]}
def add(seconds):
    for second in seconds:
        spooler.add(WINDOWS, windows(second), 1)
        spooler.call(spooler.do_flush).result()
add(range(3))
before = state()
ballast = where / "ballast"
with ballast.open("wb", buffering=0) as file:
    try:
        while file.write(bytes(4096)):
            pass
    except OSError:
        pass
add(range(3, 40))
full = state()
offered = len(spooler.call(spooler.backlog.pending, 100).result())
ballast.unlink()
after = state()
spooler.close()
print(json.dumps([before, full, after, offered]))
"""
WINDOWS = """
import numpy as np
from probes.histogram import Histograms
from probes.window import WindowBatch, FlowColumns

def windows(second, rows=400):
    nothing = WindowBatch.empty((1_700_000_000 + second) * 1_000_000_000, 10_000_000_000)
    counters = {name: np.zeros(rows, np.uint32) for name in nothing.counters}
    counters["sent"][:] = counters["received"][:] = 10
    noise = np.random.default_rng(second).integers(1, 1 << 30, rows).astype(float)
    return WindowBatch(
        start_ns=nothing.start_ns, duration_ns=nothing.duration_ns,
        stream_id=np.arange(rows, dtype=np.uint64), counters=counters,
        measures={
            name: np.sort(noise if name.endswith("_ns") else noise % 4) for name in nothing.measures
        },
        distributions=dict.fromkeys(nothing.distributions, Histograms.empty(rows)),
        timestamping=np.full(rows, 2, np.uint8), suspect=np.zeros(rows, np.bool_),
        flows=FlowColumns(
            indptr=np.zeros(rows + 1, np.int64), flow=nothing.flows.flow, sent=nothing.flows.sent,
            lost=nothing.flows.lost, rtt_p50_ns=nothing.flows.rtt_p50_ns,
        ),
    )
"""


def spool_on_a_small_disk(tmp_path: Path, memory_bytes: int) -> list[dict]:
    where = tmp_path / "small"
    where.mkdir()
    (tmp_path / "tests_windows.py").write_text(WINDOWS, encoding="utf-8")
    (tmp_path / "fill.py").write_text(SCRIPT, encoding="utf-8")
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mount = MOUNT.format(where=where)
    tried = subprocess.run([*inside, mount], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"needs a mount namespace, so root or user namespaces: {tried.stderr!r}")
    command = [sys.executable, str(tmp_path / "fill.py"), str(where), str(memory_bytes)]
    root = str(Path(__file__).parents[3])
    run = subprocess.run(
        [*inside, f'{mount} && exec "$@"', "sh", *command],
        capture_output=True,
        check=False,
        env={"PYTHONPATH": f"{tmp_path}:{root}"},
    )
    assert run.returncode == 0, run.stderr.decode()
    return json.loads(run.stdout)


def test_full_disk_is_a_state_and_its_windows_are_written_later(tmp_path: Path) -> None:
    before, full, after, offered = spool_on_a_small_disk(tmp_path, 1 << 24)
    assert before["fault"] is None
    assert "full" in full["fault"]
    assert full["in_memory"] > 0
    assert full["waiting"] == 40 * 4000  # nothing is lost, and all of it can be delivered
    assert offered == 40
    assert (after["fault"], after["in_memory"], after["dropped"]) == (None, 0, 0)


def test_what_neither_disk_nor_memory_holds_is_told_to_the_probe(tmp_path: Path) -> None:
    _, full, after, _ = spool_on_a_small_disk(tmp_path, 15_000)
    assert full["reasons"] == ["disk"]
    assert full["dropped"] > 0
    assert full["waiting"] + full["dropped"] == 40 * 4000
    assert (after["fault"], after["in_memory"]) == (None, 0)
    assert after["waiting"] + after["dropped"] == 40 * 4000
