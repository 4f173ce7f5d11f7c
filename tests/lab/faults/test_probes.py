"""Forged probes are real packets in another's name, and every one must be told as forged."""

from pathlib import Path

import pytest

from tests.lab.child_program import told_by

pytestmark = [pytest.mark.network, pytest.mark.usefixtures("namespaces")]

ALL_TOLD, ONE_FORGOTTEN = 0, 1  # how many forged probes the one who is asked does not tell of
# The one who is asked is a socket here: it answers nothing, and tells what is to be told.
PROGRAM = """
import json, socket, sys
from pathlib import Path
from lab.faults.network import FaultNetwork
from lab.faults.sites import ADDRESSES
network = FaultNetwork(ADDRESSES)
from click.testing import CliRunner
from controller.commands.keys import stamp_keys
from lab.faults.probes import forged_probes
from lab.faults.stage import Stage
from lab.fleet.owner_commands import create_authority
from probes.stamp.packet import decode_sender
forgotten = int(sys.argv[2])
with network.at("shanghai"):
    asked = socket.socket(type=socket.SOCK_DGRAM)
    asked.bind((ADDRESSES["shanghai"], 862))
    asked.setblocking(False)
heard = []
class Watched(Stage):
    def begin(self):
        create_authority(self.controller.data, self.network.controller_address)
    def pause(self, low_s, high_s=None):
        try:
            while True:
                heard.append(asked.recvfrom(2048))
        except BlockingIOError:
            pass
    def get(self, path):
        told = {"nanjing": 7, "shanghai": len(heard) - forgotten}
        return {"items": [
            {"name": name, "health": {"reflector": {"forged": count}}}
            for name, count in told.items()
        ]}
place = Path(sys.argv[1])
stage = Watched(network, place, 5)
done = forged_probes(stage, 2)
listed = CliRunner().invoke(stamp_keys, ["list", "--data", str(stage.controller.data)])
probes = [decode_sender(payload) for payload, _ in heard]
print(json.dumps({
    "done": [done.en, done.zh],
    "problems": stage.problems,
    "from": sorted({source for _, (source, _) in heard}),
    "nanjing": ADDRESSES["nanjing"],
    "sizes": sorted(len(payload) for payload, _ in heard),
    "sequences": sorted(probe.sequence for probe in probes),
    "signed alike": len({payload[96:112] for payload, _ in heard if len(payload) >= 112}),
    "keys": [line.split()[0] for line in listed.stdout.splitlines()],
    "authenticated": stage.sites.read_text().count("authenticated = true"),
}))
"""


def test_requests_arrive_in_the_name_of_another_unsigned_and_signed_by_nobody(
    tmp_path: Path,
) -> None:
    found = told_by(PROGRAM, str(tmp_path), str(ALL_TOLD))
    assert found["from"] == [found["nanjing"]]
    assert found["sizes"] == [64] * 50 + [132] * 50
    assert found["sequences"] == sorted([*range(50)] * 2)
    assert found["signed alike"] == 50  # no two by the same key
    assert found["keys"] == ["1", "2"]  # new ones each round
    assert found["authenticated"] == 1  # a fleet that wants to be sure who asks
    assert found["problems"] == []
    assert "100 probes" in found["done"][0]
    assert "100" in found["done"][1]


def test_one_that_was_not_told_as_forged_is_a_problem(tmp_path: Path) -> None:
    (problem,) = told_by(PROGRAM, str(tmp_path), str(ONE_FORGOTTEN))["problems"]
    assert "100 forged probes" in problem
    assert "99" in problem
