"""What the channels of one engine share, and what happens to sockets that become none."""

from __future__ import annotations

import socket
import subprocess
import sys

import numpy as np
import pytest

from probes.channels.batch_channel import BatchChannel
from probes.channels.opening import BATCH, ChannelKit, ChannelOrder
from probes.protocols.registry import protocol_of, protocols
from probes.protocols.stamp.codec import StampCodec
from probes.sockets.identifiers import Identifiers
from probes.sockets.opening import OpenSocket, open_udp


def order(number: int = 0, payload_bytes: int = 44) -> ChannelOrder:
    return ChannelOrder(
        number=number,
        protocol=protocol_of("udp"),
        family=socket.AF_INET,
        source="127.0.0.1",
        dscp=0,
        payload_bytes=payload_bytes,
        authenticated=False,
    )


@pytest.fixture
def kit() -> ChannelKit:
    return ChannelKit(np.random.default_rng(1))


def test_channels_of_one_width_share_their_memory(kit: ChannelKit) -> None:
    """Thousands of flows each with their own megabytes would be the end of a machine."""
    made = [kit.open_channel(order(number, size)) for number, size in enumerate((44, 40, 1400))]
    one, alike, wide = (channel for channel in made if isinstance(channel, BatchChannel))
    assert one.socket.rings is alike.socket.rings
    assert one.socket.rings is not wide.socket.rings
    assert wide.socket.rings.send.payload.shape[1] >= 1400 + 84
    assert [channel.number for channel in made] == [0, 1, 2]
    for channel in made:
        channel.close()


@pytest.mark.parametrize(("payload_bytes", "capacity"), [(44, BATCH), (65_000, 64)])
def test_long_packets_are_sent_in_smaller_batches(
    kit: ChannelKit, payload_bytes: int, capacity: int
) -> None:
    channel = kit.open_channel(order(payload_bytes=payload_bytes))
    assert channel.capacity == capacity
    channel.close()


def test_socket_that_becomes_no_channel_is_closed_with_its_guard(kit: ChannelKit) -> None:
    opened = open_udp(socket.AF_INET, "127.0.0.1", 0)
    lease = Identifiers(np.random.default_rng(1)).lease()
    opened.sock.close()  # what asks anything of it fails
    with pytest.raises(OSError, match="Bad file descriptor"):
        kit.batch_channel(order(), OpenSocket(opened.sock, 1, guard=lease), StampCodec(44, 1))
    again = Identifiers(np.random.default_rng(1)).lease()
    assert again.number == lease.number
    again.close()


def test_openers_are_loaded_when_first_asked_for_or_all_at_once() -> None:
    """A process that runs for months must not meet those of a newer version."""
    code = (
        "import sys, probes.channels.opening as opening\n"
        "def loaded(): return [n for n in sys.modules if n.endswith('.opening') and 'proto' in n]\n"
        "print(len(loaded())); opening.load_openers(); print(len(loaded()))"
    )
    run = [sys.executable, "-P", "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", str(len(protocols()))]
