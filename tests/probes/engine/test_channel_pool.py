"""Which streams share a channel, and what is closed when nobody uses it any more."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
from engine_run import spec

from foundation.errors import ResourceError
from probes.engine.channel_pool import Allotment, ChannelPool
from probes.engine.destinations import resolved
from probes.stream import StreamSpec


@pytest.fixture
def pool() -> Iterator[ChannelPool]:
    made = ChannelPool(np.random.default_rng(1))
    yield made
    made.close()


def take(pool: ChannelPool, stream: StreamSpec) -> Allotment:
    """Let a stream use what it is allotted."""
    allotment = pool.allot(stream, resolved(stream))
    pool.take(allotment)
    return allotment


def test_streams_to_different_destinations_share_a_channel(pool: ChannelPool) -> None:
    made = [take(pool, spec("udp", f"127.0.0.{n}")) for n in (1, 2, 3)]
    assert [one.channels for one in made] == [made[0].channels] * 3
    assert len(pool.channels) == 1


def test_streams_that_are_alike_have_channels_of_their_own(pool: ChannelPool) -> None:
    """Else nobody could tell whose answer one is."""
    one, other = (take(pool, spec("udp", stream_id=n)) for n in (1, 2))
    assert (one.copy, other.copy) == (0, 1)
    assert one.channels != other.channels
    third = take(pool, spec("udp", "127.0.0.2"))
    assert third.channels == one.channels  # another destination: it is told from the first


@pytest.mark.parametrize(
    "change",
    [{"dscp": 46}, {"payload_bytes": 200}, {"source": "127.0.0.1"}, {"destination": "::1"}],
)
def test_what_makes_packets_differ_makes_another_channel(
    pool: ChannelPool, change: dict[str, object]
) -> None:
    plain = take(pool, spec("udp", destination="127.0.0.9"))
    other = take(pool, spec("udp", **({"destination": "127.0.0.8"} | change)))
    assert plain.channels != other.channels
    assert other.copy == 0


def test_flows_of_a_stream_have_a_channel_each_and_share_it_flow_by_flow(
    pool: ChannelPool,
) -> None:
    wide, narrow = take(pool, spec("udp", flows=3)), take(pool, spec("udp", "127.0.0.2", flows=2))
    assert len(set(wide.channels)) == 3
    assert narrow.channels == wide.channels[:2]


def test_channel_is_closed_with_its_last_user_and_its_number_given_again(
    pool: ChannelPool,
) -> None:
    one, other = take(pool, spec("udp")), take(pool, spec("udp", "127.0.0.2"))
    descriptor = pool.channels[one.channels[0]].socket.fileno()
    pool.give_back(one)
    assert pool.close_unused() == []
    pool.give_back(other)
    assert pool.close_unused() == [descriptor]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert pool.channels == {}
    again = take(pool, spec("udp"))
    assert (again.channels, again.copy) == (one.channels, 0)


def test_copy_that_is_given_back_is_the_next_one_to_be_taken(pool: ChannelPool) -> None:
    first, second, third = (take(pool, spec("udp", stream_id=n)) for n in (1, 2, 3))
    pool.give_back(second)
    assert take(pool, spec("udp", stream_id=4)).copy == second.copy == 1
    assert (first.copy, third.copy) == (0, 2)


def test_stream_that_finds_no_source_leaves_nothing_open(pool: ChannelPool) -> None:
    stream = spec("udp", source="192.0.2.77", flows=2)
    with pytest.raises(ResourceError, match=r"192\.0\.2\.77"):
        pool.allot(stream, resolved(stream))
    pool.close_unused()
    assert pool.channels == {}


def test_channels_of_a_source_that_is_ours_stay_open_for_sending(pool: ChannelPool) -> None:
    bound, free = take(pool, spec("udp", source="127.0.0.1")), take(pool, spec("udp"))
    pool.follow_sources()
    gone = {number: channel.source_is_gone for number, channel in pool.channels.items()}
    assert gone == dict.fromkeys([*bound.channels, *free.channels], False)
