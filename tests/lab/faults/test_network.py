"""Sites that the kernel forwards between: what leaves a site is counted, cut off or not."""

import pytest

from tests.lab.child_program import told_by

pytestmark = pytest.mark.network

PROGRAM = """
import json, socket
from lab.faults.network import FaultNetwork
A, B = "198.18.1.1", "198.18.1.2"
network = FaultNetwork({"a": A, "b": B})
with network.at("b"):
    heard = socket.socket(type=socket.SOCK_DGRAM)
    heard.bind((B, 862))
    heard.settimeout(0.2)
with network.at("a"):
    sender = socket.socket(type=socket.SOCK_DGRAM)
    echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
def arrived():
    count = 0
    try:
        while heard.recv(64):
            count += 1
    except TimeoutError:
        return count
def send(port):
    for _ in range(10):
        sender.sendto(b"probe", (B, port))
def both():
    return network.probes_on_the_wire(), arrived()
found = {"before": both()}
send(862)
found["probes"] = both()
send(9)
found["others"] = both()
echo.sendto(bytes([8, 0, 0, 0, 0, 1, 0, 1]), (B, 0))
found["echo"] = both()
network.connect(False)
send(862)
found["cut"] = both()
network.connect(True)
send(862)
found["joined"] = both()
print(json.dumps(found))
"""


def test_only_probes_are_counted_and_a_cut_loses_them_after_they_were_sent(
    namespaces: None,
) -> None:
    assert told_by(PROGRAM) == {  # on the wire so far, arrived since
        "before": [0, 0],
        "probes": [10, 10],
        "others": [10, 0],
        "echo": [11, 0],
        "cut": [21, 0],
        "joined": [31, 10],
    }
