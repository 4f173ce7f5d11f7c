"""The faults: what is done to the fleet, and what must be true of the counts beside the balance."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiohttp

from controller.sqlite_store import SqliteStore
from lab.faults_stage import ADDRESSES, PROBES_PER_S, Result, Stage, fill
from probes.exchange import CHUNK_CONTENT_TYPE
from probes.text import Text

_FAR_NS = 3_600_000_000_000  # an hour
_SMALL_SPOOL = "[spool]\nmax_bytes = 65536\n"
_SMALL_DISK_BYTES = 400 << 10
_STRICT = """
[policy]
max_packets_per_s_per_destination = 10.0
protocols = ["udp"]
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """`act(stage, rounds)` starts the fleet, does it harm and says what it did; `problems` looks at
    the counts. `rounds` is how often the harm is done in a long run and in a short one."""

    name: str
    title: Text
    act: Callable[[Stage, int], Text]
    problems: Callable[[Result], Sequence[str]] = lambda _: ()
    rounds: int = 8
    few_rounds: int = 3
    losses: tuple[str, ...] = ()  # reasons for which anything may be dropped at all


def _calm(stage: Stage, rounds: int) -> Text:
    stage.begin()
    stage.pause(0.5 * rounds)
    return Text("nothing", "无")


def _controller_killed(stage: Stage, rounds: int) -> Text:
    stage.begin()
    for _ in range(rounds):
        stage.pause(0.5, 3.0)
        stage.controller.kill()
        stage.pause(0.1, 1.5)
        stage.controller.start()
    return Text(f"{rounds} × kill -9", f"kill -9 {rounds} 次")


def _agent_killed(stage: Stage, rounds: int) -> Text:
    stage.begin()
    for _ in range(rounds):
        stage.pause(0.5, 2.5)
        name = stage.random.choice(sorted(ADDRESSES))
        stage.kill_agent(name)
        stage.pause(0.0, 0.5)
        stage.start_agent(name)
    return Text(f"{rounds} × kill -9", f"kill -9 {rounds} 次")


def _link_cut(stage: Stage, rounds: int) -> Text:
    stage.relay()
    stage.begin()
    for _ in range(rounds):
        stage.pause(0.5, 2.0)
        stage.cut(True)
        stage.pause(1.0, 3.0)
        stage.cut(False)
    return Text(f"{rounds} × 1–3 s", f"中断 {rounds} 次，每次 1–3 秒")


def _agent_clock(stage: Stage, rounds: int) -> Text:
    """Step while it runs, and start with a clock that is an hour ahead."""
    stage.begin()
    for number in range(rounds):
        stage.extra["nanjing"] = f"[clock]\nstamp_shift_us = {(-1) ** number * 20e6}\n"
        stage.reload_agent("nanjing")
        stage.pause(0.5, 2.0)
    stage.stop_agent("nanjing")
    stage.extra["nanjing"] = "[clock]\nstamp_shift_us = 3.6e9\n"
    stage.start_agent("nanjing")
    stage.pause(4.0)
    stage.stop_agent("nanjing")
    stage.extra["nanjing"] = ""
    stage.start_agent("nanjing")
    return Text(f"{rounds} × ±20 s, once +1 h", f"±20 秒 {rounds} 次，+1 小时一次")


def _controller_clock(stage: Stage, rounds: int) -> Text:
    stage.begin()
    for number in range(rounds):
        stage.clock_shift.write_text(str((-1) ** number * _FAR_NS), encoding="ascii")
        stage.pause(1.5, 2.5)
    stage.clock_shift.unlink()
    return Text(f"{rounds} × ±1 h", f"±1 小时 {rounds} 次")


def _agent_disk(stage: Stage, rounds: int) -> Text:
    """Fill it while the controller is away, so that windows have nowhere to go but memory."""
    directory = stage.state_dir("nanjing")
    stage.mount(directory, _SMALL_DISK_BYTES)
    stage.begin()
    stage.pause(1.0)
    stage.controller.kill()
    ballast = fill(directory)
    stage.pause(float(rounds))
    stage.kill_agent("nanjing")
    stage.start_agent("nanjing")
    stage.pause(float(rounds))
    ballast.unlink()
    stage.controller.start()
    return Text(f"full for {2 * rounds} s, kill -9 in it", f"写满 {2 * rounds} 秒，其间 kill -9")


def _controller_disk(stage: Stage, rounds: int) -> Text:
    stage.mount(stage.controller.data, 4 << 20)
    stage.begin()
    stage.pause(1.0)
    ballast = fill(stage.controller.data)
    stage.pause(2.0 * rounds)
    ballast.unlink()
    return Text(f"full for {2 * rounds} s", f"写满 {2 * rounds} 秒")


def _long_outage(stage: Stage, rounds: int) -> Text:
    """Longer than the spool is large: the oldest windows go, and are told."""
    stage.extra = dict.fromkeys(ADDRESSES, _SMALL_SPOOL)
    stage.begin()
    stage.controller.kill()
    stage.pause(1.5 * rounds)
    stage.controller.start()
    return Text(f"{1.5 * rounds:.0f} s away", f"离线 {1.5 * rounds:.0f} 秒")


def _replayed(stage: Stage, rounds: int) -> Text:
    """Hand in again what was committed; and what never was anybody's."""
    stage.begin()
    stage.pause(3.0)
    stage.controller.stop()
    store = SqliteStore(stage.controller.data)
    try:
        chunks = [(one.agent, one.payload) for one in store.chunks_since(0)]
    finally:
        store.close()
    stage.controller.start()
    stage.wait_until_connected()
    again = [stage.random.choice(chunks) for _ in range(10 * rounds)]
    asyncio.run(_post_all(stage, again))
    return Text(f"{len(again)} chunks", f"{len(again)} 个数据块")


def _forged(stage: Stage, rounds: int) -> Text:
    """Hand in other agents' chunks, and bytes that are nearly a chunk."""
    stage.begin()
    stage.pause(3.0)
    stage.controller.stop()
    store = SqliteStore(stage.controller.data)
    try:
        chunks = [(one.agent, one.payload) for one in store.chunks_since(0)]
    finally:
        store.close()
    stage.controller.start()
    stage.wait_until_connected()
    posts = []
    for _ in range(5 * rounds):
        agent, payload = stage.random.choice(chunks)
        other = stage.random.choice([name for name in ADDRESSES if name != agent])
        broken = bytearray(payload)
        broken[stage.random.randrange(len(broken))] ^= 1 << stage.random.randrange(8)
        posts += [(other, payload), (agent, payload[: len(payload) // 2]), (other, bytes(broken))]
    asyncio.run(_post_all(stage, posts))
    return Text(f"{len(posts)} chunks", f"{len(posts)} 个数据块")


async def _post_all(stage: Stage, chunks: Sequence[tuple[str, bytes]]) -> None:
    connector = aiohttp.UnixConnector(str(stage.controller.socket_path))
    async with aiohttp.ClientSession("http://controller", connector=connector) as session:
        for agent, payload in chunks:
            headers = {"Content-Type": CHUNK_CONTENT_TYPE}
            path = f"/api/v1/agents/{agent}/chunks"
            async with session.post(path, data=payload, headers=headers) as answer:
                await answer.read()


def _beyond_policy(stage: Stage, rounds: int) -> Text:
    stage.policy = dict.fromkeys(ADDRESSES, _STRICT)
    stage.begin()
    before = stage.network.probes_on_the_wire()
    stage.pause(float(rounds))
    rate = (stage.network.probes_on_the_wire() - before) / rounds
    allowed = 10.0 * len(ADDRESSES) * (len(ADDRESSES) - 1)
    asked = PROBES_PER_S * len(ADDRESSES)
    told = f"{rate:.0f}/s on the wire, {allowed:.0f}/s allowed, {asked}/s asked"
    told_zh = f"实发 {rate:.0f}/s，允许 {allowed:.0f}/s，计划 {asked}/s"
    if rate > allowed * 1.1:
        told += ": TOO MUCH"
    return Text(told, told_zh)


FAULTS = (
    Fault("calm", Text("none", "无故障"), _calm),
    Fault("controller-killed", Text("controller killed", "强杀控制器"), _controller_killed),
    Fault("agent-killed", Text("agent killed", "强杀探针"), _agent_killed, losses=("cut_off",)),
    Fault("link-cut", Text("link cut", "链路中断"), _link_cut),
    Fault("agent-clock", Text("agent's clock", "探针时钟跳变"), _agent_clock, losses=("refused",)),
    Fault(
        "controller-clock",
        Text("controller's clock", "控制器时钟跳变"),
        _controller_clock,
        losses=("refused",),
    ),
    Fault(
        "agent-disk",
        Text("agent's disk full", "探针磁盘写满"),
        _agent_disk,
        losses=("disk", "cut_off"),
    ),
    Fault("controller-disk", Text("controller's disk full", "控制器磁盘写满"), _controller_disk),
    Fault("long-outage", Text("spool too small", "缓存不足"), _long_outage, losses=("no_room",)),
    Fault(
        "replayed",
        Text("batch replayed", "重放数据"),
        _replayed,
        lambda result: () if result.duplicates else ("no replay was noticed",),
    ),
    Fault(
        "forged",
        Text("batch forged", "伪造数据"),
        _forged,
        lambda result: () if result.refused else ("nothing was refused",),
    ),
    Fault(
        "beyond-policy",
        Text("plan beyond policy", "计划超出策略"),
        _beyond_policy,
        lambda result: () if result.curtailed else ("nothing was curtailed",),
    ),
)
