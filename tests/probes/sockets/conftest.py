"""Two batch sockets on loopback, over either family and with either way of numbering packets."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from probes.addresses import pack_address
from probes.sockets import error_queue
from probes.sockets.batch import BatchSocket

HOSTS = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
Pair = tuple[BatchSocket, BatchSocket]


@pytest.fixture(params=[True, False], ids=["keys chosen", "keys counted"])
def keys(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether packets carry keys of ours, as kernels since Linux 6.13 let them."""
    chosen = bool(request.param)
    if not chosen:
        monkeypatch.setattr(error_queue, "_kernel_takes_keys", lambda: False)
    return chosen


@pytest.fixture(params=HOSTS, ids=["IPv4", "IPv6"])
def pair(request: pytest.FixtureRequest, keys: bool) -> Iterator[Pair]:
    """Who sends and who receives, with room for 16 packets; the rows are addressed already."""
    family, host = request.param
    ends = []
    for _ in range(2):
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.bind((host, 0))
        ends.append(BatchSocket(sock, 16, 64))
    ring = ends[0].rings.send
    ring.address[:] = pack_address(host, ends[1].sock.getsockname()[1])
    ring.length[:] = 44
    ends[0].send(1)  # the first packets may come before timestamping is in force
    ends[0].error_queue.read()
    ends[1].receive()
    yield ends[0], ends[1]
    for end in ends:
        end.close()
