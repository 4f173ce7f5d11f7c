"""The engine follows plan, policy and keys, and says which streams do not run."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.conditions import Conditions
from agent.measuring.measuring import Measuring
from agent.measuring.unanswered_journal import UnansweredJournal
from agent.policy.policy import Policy, PolicyConfig
from agent.spool.sent_counters import SentCounters
from foundation.clock import SystemClock
from messages.exchange import Plan, StampKeys
from probes.reflector.reflector import Reflector
from probes.reflector.spec import ReflectorSpec
from probes.stream import StreamSpec, TypeP
from probes.window import WindowBatch

pytestmark = pytest.mark.network

HERE = PolicyConfig(destinations=("127.0.0.0/8",))
ECHO = StreamSpec(
    stream_id=7,
    destination="127.0.0.1",
    type_p=TypeP(protocol="icmp", ip_version=4),
    interval_ms=10,
    timeout_ms=100,
)
Measured = tuple[Measuring, Conditions, "queue.SimpleQueue[tuple[WindowBatch, int]]"]


async def nothing() -> None:
    return None


@contextlib.asynccontextmanager
async def measuring(tmp_path: Path) -> AsyncIterator[Measured]:
    windows: queue.SimpleQueue[tuple[WindowBatch, int]] = queue.SimpleQueue()
    clock, conditions = SystemClock(), Conditions()
    sent_counters = SentCounters(tmp_path / "sent")
    made = Measuring(
        on_windows=lambda batch, version: windows.put((batch, version)),
        clock=clock,
        own_clock_bound_ns=lambda: 0.0,
        timestamp_shift_ns=0,
        conditions=conditions,
        policy=Policy(HERE),
        sent_counters=sent_counters,
        settle=nothing,
        journal=UnansweredJournal(None, clock),
    )
    try:
        yield made, conditions, windows
    finally:
        await made.stop()
        sent_counters.close()


def plan(*streams: StreamSpec, version: int = 1) -> Plan:
    return Plan(version=version, agent="a1", window_ms=100, streams=streams)


def running(measuring: Measuring) -> int:
    health = measuring.engine_health()
    return 0 if health is None else health.streams


async def test_a_tcp_stream_without_a_port_is_refused_and_told_and_the_others_run(
    tmp_path: Path,
) -> None:
    """Only people are given a default, on the command line and in site files."""
    tcp = TypeP(protocol="tcp", ip_version=4)
    lacking = StreamSpec(stream_id=8, destination="127.0.0.1", type_p=tcp)
    async with measuring(tmp_path) as (made, _, windows):
        await made.apply(plan(ECHO, lacking), None)
        assert running(made) == 1
        (told,) = made.conditions()
        assert (told.code, told.stream_id) == ("stream_refused", "8")
        assert "A TCP stream to 127.0.0.1 needs a destination port; name it" in told.text.en
        assert "到 127.0.0.1 的 TCP 测量流需要指定目的端口；请" in told.text.zh
        batch, _ = await asyncio.to_thread(windows.get)
    assert batch.stream_id.tolist() == [7]


async def test_windows_come_with_the_plan_they_were_measured_by(tmp_path: Path) -> None:
    async with measuring(tmp_path) as (made, _, windows):
        for version in (4, 5):
            await made.apply(plan(ECHO, version=version), None)
            told = [(await asyncio.to_thread(windows.get))[1] for _ in range(20)]
            assert told == sorted(told)
            assert told[-1] == version


async def test_what_the_owner_takes_back_stops_and_is_told(tmp_path: Path) -> None:
    async with measuring(tmp_path) as (made, _, _):
        assert made.curtailed() is None
        await made.apply(plan(ECHO), None)
        told = made.curtailed()
        assert told is not None
        assert (running(made), told.streams) == (1, ())
        await made.obey(Policy(PolicyConfig()))
        told = made.curtailed()
        assert told is not None
        assert running(made) == 0
        assert [(one.stream_id, one.rule) for one in told.streams] == [(7, "policy.destinations")]
        await made.obey(Policy(HERE))
        assert running(made) == 1


async def test_authenticated_streams_wait_for_their_key(tmp_path: Path) -> None:
    key = bytes(range(32))
    with socket.socket(type=socket.SOCK_DGRAM) as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    signed = StreamSpec(
        stream_id=9,
        destination="127.0.0.1",
        type_p=TypeP(protocol="udp", ip_version=4, port=port, mode="authenticated"),
        interval_ms=10,
    )
    place = ReflectorSpec(
        address="127.0.0.1", port=port, peers=("127.0.0.1",), authenticated=("127.0.0.1",)
    )
    reflector = Reflector([place], own_clock_bound_ns=lambda: 0.0, stamp_keys={"127.0.0.1": (key,)})
    reflector.start()
    try:
        async with measuring(tmp_path) as (made, conditions, windows):
            await made.apply(plan(signed), None)
            assert running(made) == 0
            assert [one.code for one in conditions.current()] == ["stamp_keys"]
            await made.apply(plan(signed), StampKeys(epoch=3, probing={"127.0.0.1": key}))
            assert (running(made), conditions.current()) == (1, ())
            batch, _ = await asyncio.to_thread(windows.get)
    finally:
        reflector.stop()
    assert batch.counters["sent"].sum() > 0


async def test_probes_are_counted_over_all_engines(tmp_path: Path) -> None:
    async with measuring(tmp_path) as (made, _, windows):
        await made.apply(plan(ECHO), None)
        await asyncio.to_thread(windows.get)
        await made.apply(plan(), None)  # its last window is handed out as its engine stops
        before = made.probes()
        assert running(made) == 0
        assert before[0] > 0
        await made.apply(plan(ECHO), None)
        while made.probes()[0] == before[0]:
            await asyncio.to_thread(windows.get)
        assert made.probes()[0] > before[0]
