"""A controller whose disk is really full starts, serves what it has, and stores again with room."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.network

ROOT = Path(__file__).parents[3]
SITES = ROOT / "lab" / "fleet" / "scenarios" / "tiny.sites.toml"
MOUNT = "mount -t tmpfs -o size=4m tmpfs {where}"
BEGINNING = """
import contextlib, dataclasses, json, msgspec, os, sqlite3, sys
from pathlib import Path
from controller.settings import Settings
from controller.serving.assembly import open_services
from controller.store.records import StoredChunk
from foundation.clock import SystemClock
from foundation.errors import ResourceError
from tests.controller.conftest import batch_of, chunk_of
from topology.site_file import load_network

where, sites, clean = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "clean"
network, data, clock = load_network(sites), where / "data", SystemClock()

def opened():
    return open_services(network, data, Settings(), clock)

def put(state, number):
    batch = batch_of([5, 7], 1_700_000_000 * 10**9 + number * 10**10)
    payload = chunk_of(batch, agent="nanjing", sequence=number)
    state.store.windows.put_chunk(StoredChunk(
        agent="nanjing", boot="b0", sequence=number, plan_version=1, start_ns=batch.start_ns,
        duration_ns=batch.duration_ns, counts={"windows": batch.rows}, received_ns=batch.start_ns,
        payload=payload)).result()

def fill(name):
    with (where / name).open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass

def killed(action):
    child = os.fork()
    if child == 0:
        try:
            action()
        finally:
            os._exit(0)
    os.waitpid(child, 0)

killed(lambda: [put(opened(), 0)])
"""
GROWN_FULL = """
if clean:
    for path in (data / "isochrone.db", data / "keys" / "access.sqlite3"):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
fill("one")
killed(opened)  # which may use up what was kept for it
fill("two")
state = opened()
found = {"versions": [r.version for r in state.store.plans.history("nanjing", 99, 9)],
         "chunks": len(list(state.store.windows.chunks_since(0)))}
number = 1
with contextlib.suppress(ResourceError):
    while True:
        put(state, number)
        number += 1
found["full"] = state.store.state().state
state.store_watch.changes()
found["still"] = state.store.state().state
found["read"] = len(list(state.store.windows.chunks_since(0))) - number + found["chunks"]
(where / "one").unlink()
(where / "two").unlink()
state.store_watch.changes()
with contextlib.suppress(ResourceError):
    state.store.event_log.append([], ()).result()
found["back"] = [event.state for event in state.store_watch.changes()]
put(state, number)
found["events"] = [e.state for e in state.store.event_log.events() if e.subject == "store"]
found["ended"] = state.store.state().state
state.close()
print(json.dumps(found))
"""
CHANGED = """
fill("one")
mesh = network.meshes[0]
many = tuple(msgspec.structs.replace(mesh.stream[0], protocol="udp", port=port)
             for port in range(2000, 3500))
changed = dataclasses.replace(
    network, meshes=(msgspec.structs.replace(mesh, stream=many),), text=network.text + "# changed")
state = open_services(changed, data, Settings(), clock)
found = {"kept": state.rounds.scope.network.meshes == network.meshes,
         "told": [warning.en for warning in state.rounds.scope.network.warnings],
         "served": sorted({plan.version for plan in state.distribution.plans.values()})}
state.close()
(where / "one").unlink()
state = open_services(changed, data, Settings(), clock)
found["versions"] = sorted({plan.version for plan in state.distribution.plans.values()})
found["of"] = (data / "last-sites.toml").read_text()[-9:]
state.close()
print(json.dumps(found))
"""


@pytest.mark.parametrize("before", ["clean", "killed"])
def test_a_controller_starts_on_a_full_disk_and_stores_again_with_room(
    tmp_path: Path, before: str
) -> None:
    found = on_a_small_disk(tmp_path, GROWN_FULL, before)
    assert (found["versions"], found["chunks"], found["read"]) == ([1], 1, 1)
    assert (found["full"], found["still"]) == ("full", "full")
    assert found["back"] == ["ok"]
    assert "full" in found["events"]
    assert found["ended"] == "ok"


def test_a_changed_site_file_waits_for_room_while_the_one_of_before_is_served(
    tmp_path: Path,
) -> None:
    found = on_a_small_disk(tmp_path, CHANGED, "changed")
    assert found["kept"]
    assert found["told"][0].startswith("The site file was changed, but its plans cannot be saved")
    assert found["served"] == [1]
    assert found["versions"] == [2]
    assert found["of"] == "# changed"


def on_a_small_disk(tmp_path: Path, then: str, how: str) -> dict[str, Any]:
    """Return what a script prints whose data directory is on a disk of 4 MB."""
    where = tmp_path / "small"
    where.mkdir()
    (tmp_path / "full.py").write_text(BEGINNING + then, encoding="utf-8")
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mount = MOUNT.format(where=where)
    tried = subprocess.run([*inside, mount], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"needs a mount namespace, so root or user namespaces: {tried.stderr!r}")
    command = [sys.executable, "-P", str(tmp_path / "full.py"), str(where), str(SITES), how]
    run = subprocess.run(
        [*inside, f'{mount} && exec "$@"', "sh", *command],
        capture_output=True,
        check=False,
        env={"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr.decode()
    found: dict[str, Any] = json.loads(run.stdout)
    return found
