"""Faults of trust: certificates, authorities, batches and plans that are not what they claim."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import aiohttp

from foundation.text import Text, counted
from lab.faults.papers import new_plan_key, replace_certificate, tls_of
from lab.faults.sites import ADDRESSES, PROBES_PER_S
from lab.faults.stage import Stage
from lab.fleet.owner_commands import create_authority, revoke_agent
from messages.exchange import CHUNK_CONTENT_TYPE

_LONG_AGO = dt.timedelta(days=200)  # longer than a certificate lives
_REVOKED_S = 60.0  # within which a revocation must be effective
_VICTIM = "nanjing"


def expired(stage: Stage, rounds: int) -> Text:
    """Restart an agent with a certificate that has ended; then enrol it again."""
    stage.begin()
    stage.pause(1.0)
    stage.agents.stop(_VICTIM)
    _give_certificate(stage, stage.controller.data, _LONG_AGO)
    _expect_refused(stage, rounds)
    return Text(f"for {rounds} s", f"持续 {rounds} 秒")


def foreign_certificate(stage: Stage, rounds: int) -> Text:
    """Restart an agent with a certificate of another authority; then enrol it again."""
    stage.begin()
    stage.pause(1.0)
    stage.agents.stop(_VICTIM)
    other = stage.run_dir / "other"
    create_authority(other, stage.network.controller_address)
    _give_certificate(stage, other, dt.timedelta())
    _expect_refused(stage, rounds)
    return Text(f"for {rounds} s", f"持续 {rounds} 秒")


def _give_certificate(stage: Stage, issuer: Path, age: dt.timedelta) -> None:
    replace_certificate(stage.agents.state_dir(_VICTIM) / "trust", issuer / "keys", age)


def _expect_refused(stage: Stage, seconds: float) -> None:
    """Let the victim measure for a while, unheard; then give it back its rights."""
    stored = stage.windows_stored(_VICTIM)
    stage.agents.start(_VICTIM)
    stage.pause(3.0 + seconds)
    if stage.windows_stored(_VICTIM) != stored:
        stage.problems.append("windows were taken from an agent without a certificate that holds")
    stage.agents.stop(_VICTIM)
    stage.enrol(_VICTIM, stage.token_for(_VICTIM))
    stage.agents.start(_VICTIM)


def revoked(stage: Stage, rounds: int) -> Text:
    """Revoke a running agent, see how soon it is refused, enrol it again while it runs on."""
    stage.begin()
    stage.pause(1.0)
    revoke_agent(stage.controller.data, _VICTIM)
    began, took_s = time.monotonic(), 0.0
    stored, seen = stage.windows_stored(_VICTIM), time.monotonic()
    while time.monotonic() - seen < 4.0 and time.monotonic() - began < _REVOKED_S + 5.0:
        stage.pause(0.25)
        if (now := stage.windows_stored(_VICTIM)) != stored:
            stored, seen = now, time.monotonic()
            took_s = seen - began
    if took_s > _REVOKED_S:
        stage.problems.append(f"still let in {took_s:.0f} s after it was revoked")
    stage.pause(float(rounds))
    stage.enrol(_VICTIM, stage.token_for(_VICTIM))
    return Text(f"silent after {took_s:.1f} s", f"{took_s:.1f} 秒后失效")


def impostor(stage: Stage, rounds: int) -> Text:
    """Let another authority's controller answer on the controller's address for a while."""
    stage.begin()
    stage.pause(1.0)
    stage.controller.kill()
    real, false = stage.controller.data, stage.run_dir / "impostor"
    create_authority(false, stage.network.controller_address)
    real.rename(stage.run_dir / "real")
    false.rename(real)
    stage.controller.start()
    stage.wait_for_controller()
    stage.pause(float(rounds))
    if any(stage.windows_stored(name) for name in ADDRESSES):
        stage.problems.append("an agent delivered to a controller of another authority")
    stage.controller.kill()
    shutil.rmtree(real)
    (stage.run_dir / "real").rename(real)
    stage.controller.start()
    return Text(f"in its place for {rounds} s", f"冒充 {rounds} 秒")


def forged_plan(stage: Stage, rounds: int) -> Text:
    """Push plans that ask for ten times as much and are signed by nobody the agents know."""
    stage.begin()
    stage.pause(1.0)
    key_file, sites = stage.controller.data / "keys" / "plan.key", stage.sites
    true_key, true_sites = key_file.read_bytes(), sites.read_text(encoding="utf-8")
    stage.controller.stop()
    key_file.write_bytes(new_plan_key())
    more = true_sites.replace("interval_ms = 40", "interval_ms = 4")
    sites.write_text(more.replace("interval_ms = 100", "interval_ms = 10"), encoding="utf-8")
    stage.controller.start()
    stage.wait_for_controller()
    stage.pause(2.0)
    rate = stage.rate_on_the_wire(float(rounds))
    usual = PROBES_PER_S * len(ADDRESSES)
    if rate > usual * 1.3:
        stage.problems.append(f"a forged plan was run: {rate:.0f} probes/s instead of {usual}")
    stage.controller.stop()
    key_file.write_bytes(true_key)
    sites.write_text(true_sites, encoding="utf-8")
    stage.controller.start()
    return Text(
        f"{rate:.0f}/s on the wire, forged {10 * usual}/s",
        f"实发 {rate:.0f}/s，伪造计划 {10 * usual}/s",
    )


def replayed(stage: Stage, rounds: int) -> Text:
    """Hand in again, by their own agents' papers, chunks that were committed."""
    chunks = _committed(stage)
    again = [stage.random.choice(chunks) for _ in range(10 * rounds)]
    posts = [(who, who, what) for who, what in again]
    if set(statuses := asyncio.run(_post_all(stage, posts))) != {409}:  # another speaks for them
        stage.problems.append(f"replays beside a living agent were answered {set(statuses)}")
    with _agents_away(stage):
        if set(statuses := asyncio.run(_post_all(stage, posts))) != {200}:  # stored before
            stage.problems.append(f"replays were answered {set(statuses)}")
    return Text(counted(len(again), "chunk"), f"{len(again)} 个数据块")


def forged_batches(stage: Stage, rounds: int) -> Text:
    """Hand in others' chunks, in their name and in one's own, and bytes that are nearly a chunk."""
    chunks = _committed(stage)
    posts = []
    for _ in range(5 * rounds):
        agent, payload = stage.random.choice(chunks)
        other = stage.random.choice([name for name in ADDRESSES if name != agent])
        broken = bytearray(payload)
        broken[stage.random.randrange(len(broken))] ^= 1 << stage.random.randrange(8)
        posts += [
            (other, agent, payload),
            (other, other, payload),
            (agent, agent, payload[: len(payload) // 2]),
            (other, other, bytes(broken)),
        ]
    with _agents_away(stage):  # else all are refused as those of a second agent of the name
        statuses = asyncio.run(_post_all(stage, posts))
    if taken := sum(status < 400 for status in statuses):
        stage.problems.append(f"{taken} forged chunks were taken")
    return Text(counted(len(posts), "chunk"), f"{len(posts)} 个数据块")


def _committed(stage: Stage) -> list[tuple[str, bytes]]:
    """Let the fleet run, and return chunks that the controller has committed: (agent, chunk)."""
    stage.begin()
    return stage.deliver_later(3.0)


@contextlib.contextmanager
def _agents_away(stage: Stage) -> Iterator[None]:
    stage.agents.stop(*stage.agents)
    try:
        yield
    finally:
        for name in stage.agents:
            stage.agents.start(name)


async def _post_all(stage: Stage, posts: Sequence[tuple[str, str, bytes]]) -> list[int]:
    """Post (by whom, as whom, what), each with its agent's own certificate; return the statuses."""
    contexts = {name: tls_of(stage.agents.state_dir(name) / "trust") for name in ADDRESSES}
    headers = {"Content-Type": CHUNK_CONTENT_TYPE}
    statuses = []
    async with aiohttp.ClientSession(stage.url) as session:
        for who, name, payload in posts:
            path = f"/api/v1/agents/{name}/chunks"
            async with session.post(
                path, data=payload, headers=headers, ssl=contexts[who]
            ) as answer:
                await answer.read()
                statuses.append(answer.status)
    return statuses
