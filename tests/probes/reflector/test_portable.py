"""The portable sender and reflector against each other and against the batch reflector."""

import asyncio
import contextlib
import math

import pytest

from foundation.errors import ConfigError, ResourceError
from probes.reflector.portable import PortableReflector, PortableSender
from probes.reflector.reflector import Reflector
from probes.reflector.spec import ReflectorSpec

KEY = bytes(range(32))
LOOPBACK = ("127.0.0.0/8", "::1")
pytestmark = pytest.mark.network


@contextlib.asynccontextmanager
async def reflecting(host="127.0.0.1", **options):
    # Port 0 is for tests alone: the plan's schema wants a real one.
    spec = ReflectorSpec(address=host, port=0, peers=options.pop("peers", LOOPBACK))
    reflector = PortableReflector(spec, own_clock_bound_ns=lambda: math.nan, **options)
    where = await reflector.open()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reflector.run(), name="reflector")
        try:
            yield reflector, where
        finally:
            task.cancel()
            reflector.close()


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 (what it waits for has no event)
            await asyncio.sleep(0)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("key", [None, KEY], ids=["open", "authenticated"])
async def test_probes_are_answered_and_numbered(host, key):
    async with (
        reflecting(host, hmac_key=key) as (_, where),
        PortableSender(*where, ssid=3, hmac_key=key) as sender,
    ):
        results = [await sender.probe(size=200, timeout_s=60) for _ in range(3)]
    assert [result.sequence for result in results] == [0, 1, 2]
    assert [result.reflector_sequence for result in results] == [0, 1, 2]
    for result in results:
        assert result.timestamping == "user"
        assert 0 < result.rtt_ns < 60_000_000_000
        assert result.sender_ttl is None  # user space cannot see it: told as 255


async def test_probes_in_flight_together_do_not_take_each_others_replies():
    async with reflecting() as (reflector, where), PortableSender(*where) as sender:
        results = await asyncio.gather(*(sender.probe(timeout_s=60) for _ in range(50)))
    assert [result.sequence for result in results] == list(range(50))
    assert sorted(result.reflector_sequence for result in results) == list(range(50))
    assert reflector.counters().reflected == 50


async def test_the_batch_reflector_answers_the_portable_sender():
    spec = ReflectorSpec(address="127.0.0.1", port=0, peers=LOOPBACK)
    reflector = Reflector([spec], own_clock_bound_ns=lambda: 1000.0)
    reflector.start()
    try:
        async with PortableSender(*reflector.addresses()[0]) as sender:
            result = await sender.probe(size=48, timeout_s=60)
    finally:
        reflector.stop()
    assert result.reflector_sequence == 0
    assert result.sender_ttl == 64


async def test_silence_is_a_result_without_delays():
    async with (
        reflecting(peers=()) as (reflector, where),
        PortableSender(*where) as sender,
    ):
        result = await sender.probe(timeout_s=0.05)
        await until(lambda: reflector.counters().refused)
    assert (result.rtt_ns, result.forward_ns, result.backward_ns) == (None, None, None)
    assert reflector.counters().refused == 1


async def test_a_closed_port_is_a_loss_and_not_an_error():
    async with PortableSender("127.0.0.1", 9) as sender:
        results = [await sender.probe(timeout_s=0.05) for _ in range(3)]
    assert [result.rtt_ns for result in results] == [None] * 3


async def test_another_key_is_not_answered():
    async with (
        reflecting(hmac_key=b"another") as (reflector, where),
        PortableSender(*where, hmac_key=KEY) as sender,
    ):
        result = await sender.probe(timeout_s=0.05)
        await until(lambda: reflector.counters().malformed)
    assert result.rtt_ns is None
    assert reflector.counters().malformed == 1


async def test_a_size_below_the_base_packet_is_refused():
    async with PortableSender("127.0.0.1", 9) as sender:
        with pytest.raises(ConfigError, match="at least 44"):
            await sender.probe(size=43)


async def test_an_address_in_use_says_what_to_do():
    async with reflecting() as (_, where):
        spec = ReflectorSpec(address=where[0], port=where[1], peers=())
        second = PortableReflector(spec, own_clock_bound_ns=lambda: math.nan)
        with pytest.raises(ResourceError, match="choose another address or a free port"):
            await second.open()
