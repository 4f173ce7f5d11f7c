"""Faults of probes: requests in another's name, to reflectors that want to be sure who asks."""

from __future__ import annotations

import socket
import struct
import time

from foundation.text import Text, counted
from lab.faults.sites import ADDRESSES
from lab.faults.stage import Stage
from lab.fleet.owner_commands import rotate_stamp_keys
from probes.stamp.packet import SenderPacket, encode_sender
from probes.stamp.sizes import STAMP_PORT
from probes.stamp.timestamps import encode_error_estimate, wall_ns_to_ntp64

_A_ROUND = 50  # forged requests
_TOLD_S = 8.0  # an agent reports every five seconds
_NAMED, _ASKED = ADDRESSES["nanjing"], "shanghai"
_IP, _UDP = struct.Struct("!BBHHHBBH4s4s"), struct.Struct("!HHHH")


def forged_probes(stage: Stage, rounds: int) -> Text:
    """Ask an authenticated fleet from the middle of the network, in the name of one of its agents,
    and renew its keys meanwhile."""
    text = stage.sites.read_text(encoding="utf-8")
    authenticated = text.replace("payload_bytes = 64", "authenticated = true")
    stage.sites.write_text(authenticated, encoding="utf-8")
    stage.begin()
    stage.pause(3.0)
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as forger:
        for _ in range(rounds):
            rotate_stamp_keys(stage.controller.data)
            for number in range(_A_ROUND):
                key = None if number % 2 else stage.random.randbytes(32)
                forger.sendto(_request(number, key), (ADDRESSES[_ASKED], 0))
                sent += 1
            stage.pause(1.0, 3.0)
    stage.pause(_TOLD_S)
    refused = _refused(stage)
    if refused != sent:
        stage.problems.append(f"{sent} forged probes, of which {refused} were told as forged")
    return Text(
        f"{counted(sent, 'probe')}, {rounds} × new keys", f"伪造 {sent} 个，轮换密钥 {rounds} 次"
    )


def _refused(stage: Stage) -> int:
    for agent in stage.get("agents")["items"]:
        if agent["name"] == _ASKED:
            return int(agent["health"]["reflector"]["forged"])
    return 0


def _request(number: int, key: bytes | None) -> bytes:
    """Return an IPv4 packet with a STAMP request that names another as its sender."""
    asked = SenderPacket(
        sequence=number,
        t1=wall_ns_to_ntp64(time.time_ns()),
        error_estimate=encode_error_estimate(1e3),
        rest=bytes(20),
    )
    payload = encode_sender(asked, key)
    udp = _UDP.pack(40_000 + number, STAMP_PORT, _UDP.size + len(payload), 0)
    ends = socket.inet_aton(_NAMED), socket.inet_aton(ADDRESSES[_ASKED])
    # The kernel fills in length, identification and checksum.
    return _IP.pack(0x45, 0, 0, 0, 0, 64, socket.IPPROTO_UDP, 0, *ends) + udp + payload
