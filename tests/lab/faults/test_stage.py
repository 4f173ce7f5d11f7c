"""The stage: moments that a seed chooses, waits that have an end, and clean ground afterwards."""

from pathlib import Path

import pytest

from tests.lab.child_program import told_by

pytestmark = [pytest.mark.network, pytest.mark.usefixtures("namespaces")]

HEAD = """
import json, random, sys
from pathlib import Path
from lab.faults.network import FaultNetwork
from lab.faults.sites import ADDRESSES
network = FaultNetwork(ADDRESSES)
from lab.fleet.kernel import enter_new_mounts
enter_new_mounts()
from foundation.errors import ResourceError
from lab.faults.stage import on_stage
place = Path(sys.argv[1])
"""
EMPTY = """
seen, expected = [], random.Random(5)
for number in (1, 2):
    with on_stage(network, place / str(number), 5) as stage:
        stage.pause(0.01, 0.02)  # takes a moment from the seed
        seen.append(stage.random.random())
expected.uniform(0.01, 0.02)
print(json.dumps({
    "seen": seen,
    "expected": expected.random(),
    "answers": stage.get("health"),
    "windows": stage.windows_stored("nanjing"),
    "problems": stage.problems,
}))
"""
CLEARED = """
import os, socket
B = ADDRESSES["yancheng"]
with network.at("yancheng"):
    heard = socket.socket(type=socket.SOCK_DGRAM)
    heard.bind((B, 7000))
with network.at("nanjing"):
    sender = socket.socket(type=socket.SOCK_DGRAM)
def arrives():
    sender.sendto(b"x", (B, 7000))
    try:
        return bool(heard.recv(9, socket.MSG_DONTWAIT))
    except BlockingIOError:
        return False
found = {"first": arrives()}
disk = place / "disk"
try:
    with on_stage(network, place / "run", 5) as stage:
        stage.mount(disk, 1 << 20)
        found["mounted"] = disk.is_mount()
        stage.cut(True)
        found["cut"] = arrives()
        stage.agents.start("nanjing")  # it is not enrolled
        while True:
            stage.pause(0.1)
except ResourceError as error:
    found["told"] = "agent nanjing" in error.text.en and "not enrolled" in error.text.en
found |= {"unmounted": not disk.is_mount(), "again": arrives()}
stage.agents.check()  # nobody is left who could have died
print(json.dumps(found))
"""
CALM = """
with on_stage(network, place / "run", 5) as stage:
    stage.begin()
    taken = stage.deliver_later(2.5)
    stored = {name: stage.windows_stored(name) for name in ADDRESSES}
    result = stage.finish()
print(json.dumps({
    "problems": result.problems,
    "balance": bool(result.sent) and not result.difference,
    "waiting": bool(result.waiting),
    "refused": sum(result.refused.values()),
    "sent": result.sent.probes,
    "wire": result.on_the_wire,
    "taken": [name in ADDRESSES and bool(chunk) for name, chunk in taken],
    "heard": all(stored.values()),
}))
"""


def test_the_same_seed_chooses_the_same_moments_and_an_empty_stage_answers_nothing(
    tmp_path: Path,
) -> None:
    found = told_by(HEAD + EMPTY, str(tmp_path))
    assert found["seen"] == [found["expected"]] * 2
    assert (found["answers"], found["windows"], found["problems"]) == (None, 0, [])


def test_a_death_nobody_asked_for_ends_a_pause_and_the_stage_is_cleared_all_the_same(
    tmp_path: Path,
) -> None:
    assert told_by(HEAD + CLEARED, str(tmp_path)) == {
        "first": True,
        "mounted": True,
        "cut": False,
        "told": True,
        "unmounted": True,
        "again": True,
    }


def test_what_waited_is_handed_over_once_delivered_and_the_end_is_a_balance(
    tmp_path: Path,
) -> None:
    found = told_by(HEAD + CALM, str(tmp_path))
    assert found["problems"] == []
    assert found["balance"]
    assert not found["waiting"]
    assert found["refused"] == 0
    assert found["wire"] == found["sent"] > 0
    assert found["taken"]
    assert all(found["taken"])
    assert found["heard"]
