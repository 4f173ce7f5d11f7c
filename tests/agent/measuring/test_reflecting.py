"""The reflector of an agent: it follows the plan, and says where it does not answer and why."""

from __future__ import annotations

import asyncio
import socket

import pytest

from agent.conditions import Conditions
from agent.measuring.local_addresses import LocalAddresses
from agent.measuring.reflecting import Reflecting
from agent.policy.policy import ReflectorPolicyConfig
from foundation.clock import SystemClock
from probes.reflector.spec import ReflectorSpec

pytestmark = pytest.mark.network
LIMITS = ReflectorPolicyConfig()


def reflecting(conditions: Conditions) -> Reflecting:
    return Reflecting(
        clock=SystemClock(),
        own_clock_bound_ns=lambda: 1000.0,
        timestamp_shift_ns=0,
        conditions=conditions,
    )


def free_place(address: str, peer: str = "127.0.0.1") -> ReflectorSpec:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return ReflectorSpec(address=address, port=free.getsockname()[1], peers=(peer,))


def codes(conditions: Conditions) -> list[str]:
    return [condition.code for condition in conditions.current()]


def test_without_places_there_is_no_reflector_and_nothing_to_tell() -> None:
    async def run() -> None:
        conditions = Conditions()
        part = reflecting(conditions)
        await part.run((), LocalAddresses({}), None, LIMITS)
        assert part.counters() is None
        assert list(part.not_answered()) == []
        assert codes(conditions) == []
        assert await part.stop() is None

    asyncio.run(run())


def test_a_place_that_cannot_be_had_is_told_beside_one_that_answers() -> None:
    async def run() -> None:
        conditions = Conditions()
        part = reflecting(conditions)
        here, elsewhere = free_place("127.0.0.1"), free_place("192.0.2.77")
        await part.run((here, elsewhere), LocalAddresses({}), None, LIMITS)
        silent = list(part.not_answered())
        assert [(one.address, one.rule) for one in silent] == [
            ("192.0.2.77", "reflector.not_listening")
        ]
        assert codes(conditions) == ["reflector"]
        await part.run((here,), LocalAddresses({}), None, LIMITS)
        assert list(part.not_answered()) == []
        assert codes(conditions) == []
        assert await part.stop() == (here,)

    asyncio.run(run())


def test_places_are_told_of_by_the_addresses_of_the_plan() -> None:
    async def run() -> None:
        conditions = Conditions()
        part = reflecting(conditions)
        public = free_place("192.0.2.77")
        await part.run((public,), LocalAddresses({"192.0.2.77": "127.0.0.1"}), None, LIMITS)
        assert list(part.not_answered()) == []
        assert await part.stop() == (public,)

    asyncio.run(run())
