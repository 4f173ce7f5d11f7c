"""Fills the connection table of the network namespace it runs in, with entries that no new
connection may take the place of. The limit is the machine's, the count is the namespace's."""

from __future__ import annotations

import errno
import socket
import struct
from pathlib import Path

import numpy as np

LIMIT = Path("/proc/sys/net/netfilter/nf_conntrack_max")
_CTNETLINK, _NEW = 12, 1 << 8  # NETLINK_NETFILTER; NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW
_REQUEST_CREATE_EXCLUSIVE = 0x601
_NESTED = 0x8000
_ORIGINAL, _REPLY, _STATUS, _TIMEOUT = 1, 2, 3, 7  # CTA_…
_ASSURED = 0x2 | 0x4 | 0x8  # IPS_SEEN_REPLY, IPS_ASSURED, IPS_CONFIRMED
_SENDER, _FAR = b"\x0a\xaa\xaa\x01", b"\x0a\xbb\xbb\x02"  # the first is counted up
_A_BATCH = 512


def fill() -> None:
    """Add entries until there is no room for one more."""
    message = _message()
    places = [at for at in range(len(message)) if message[at : at + 4] == _SENDER]
    batch = np.frombuffer(message * _A_BATCH, np.uint8).reshape(_A_BATCH, -1).copy()
    most = int(LIMIT.read_text(encoding="ascii"))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _CTNETLINK) as kernel:
        kernel.setblocking(False)
        for start in range(0, most + _A_BATCH, _A_BATCH):
            host = (np.arange(start, start + _A_BATCH) + (10 << 24)).astype(">u4")
            for at in places:
                batch[:, at : at + 4] = host.view(np.uint8).reshape(-1, 4)
            kernel.sendall(batch.tobytes())
            try:
                kernel.recv(1 << 16)  # the first that was refused
            except BlockingIOError:
                continue
            except OSError as error:  # or more of them than there is room to tell
                if error.errno != errno.ENOBUFS:
                    raise
            return


def _message() -> bytes:
    forward = _tuple(_SENDER, _FAR, 4660, 53)
    backward = _tuple(_FAR, _SENDER, 53, 4660)
    body = struct.pack("=BBH", socket.AF_INET, 0, 0)
    body += _attribute(_ORIGINAL | _NESTED, forward) + _attribute(_REPLY | _NESTED, backward)
    body += _attribute(_STATUS, struct.pack("!I", _ASSURED))
    body += _attribute(_TIMEOUT, struct.pack("!I", 600))
    header = struct.pack("=IHHII", 16 + len(body), _NEW, _REQUEST_CREATE_EXCLUSIVE, 0, 0)
    return header + body


def _tuple(source: bytes, destination: bytes, from_port: int, to_port: int) -> bytes:
    addresses = _attribute(1, source) + _attribute(2, destination)
    ports = _attribute(2, struct.pack("!H", from_port)) + _attribute(3, struct.pack("!H", to_port))
    udp = _attribute(1, b"\x11") + ports
    return _attribute(1 | _NESTED, addresses) + _attribute(2 | _NESTED, udp)


def _attribute(kind: int, data: bytes) -> bytes:
    size = 4 + len(data)
    return struct.pack("=HH", size, kind) + data + bytes(-size % 4)


if __name__ == "__main__":
    fill()
