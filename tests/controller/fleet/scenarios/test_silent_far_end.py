"""What an agent does not answer is its own doing, and no loss of the path towards it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from controller.api.routes.control import _note_silences
from controller.store.records import SILENCES_KEPT, SilenceRecord
from messages.exchange import MAX_UNANSWERED, Curtailed, CurtailedStream, Unanswered

SECOND = 1_000_000_000
THERE = "nanjing.telecom.v4>suzhou.telecom.v4"
Deliver = Callable[..., Any]


@pytest.fixture
def deliver(batch_of: Callable[..., Any], chunk_of: Callable[..., bytes], clock: Any) -> Deliver:
    """Returns what brings a window of the STAMP stream there, which ends `ago_s` before now."""
    sequence = iter(range(1_000_000))

    async def give(controller: Any, *, ago_s: float = 0.0, **window: Any) -> None:
        start_ns = clock.now_ns - round((ago_s + 10) * SECOND)
        batch = batch_of([stream_of(controller).stream_id], start_ns, **({"sent": 500} | window))
        body = chunk_of(batch, agent="nanjing", sequence=next(sequence))
        await controller.deliver("nanjing", body)

    return give


def stream_of(controller: Any) -> Any:
    return next(
        stream
        for stream in controller.services.rounds.scope.streams
        if stream.path.id == THERE and stream.type_p.protocol == "udp"
    )


def say(controller: Any, *entries: Unanswered, agent: str = "suzhou") -> None:
    version = controller.services.distribution.plans[agent].version
    message = Curtailed(plan_version=version, streams=(), unanswered=entries)
    _note_silences(controller.services, agent, message)


def silent(
    clock: Any, rule: Any, *, ago_s: float = 0.0, over_s: float | None = None, **more: Any
) -> Unanswered:
    from_ns = clock.now_ns - round(ago_s * SECOND)
    to_ns = None if over_s is None else clock.now_ns - round(over_s * SECOND)
    told = {"address": "192.0.2.2", "port": 8620} | more
    return Unanswered(rule=rule, from_ns=from_ns, to_ns=to_ns, **told)


async def sent_of(controller: Any) -> tuple[int, int]:
    """Return what of the stream is judged: probes sent and lost."""
    await controller.judge()
    evidence = controller.services.rounds.live.latest.evidence
    row = controller.services.rounds.scope.streams.index(stream_of(controller))
    return int(evidence.sent[row]), int(evidence.lost[row])


async def path_of(controller: Any) -> Any:
    paths = (await controller.get("/api/v1/paths"))["items"]
    return next(path for path in paths if path["id"] == THERE)


RULES = [
    "policy.reflector.enabled",
    "policy.reflector.ports",
    "policy.reflector.open",
    "policy.reflector.max_packets_per_s",
    "policy.destinations",
    "policy.denied_destinations",
    "reflector.not_listening",
    "reflector.key",
    "agent.stopped",
    "agent.restarting",
]


@pytest.mark.parametrize("rule", RULES)
async def test_what_the_far_end_does_not_answer_is_never_loss_and_names_whose_doing(
    controller: Any, deliver: Deliver, clock: Any, rule: str
) -> None:
    say(controller, silent(clock, rule, ago_s=5))
    for _ in range(4):  # the first window has the change in its middle
        await deliver(controller, lost=500)
        clock.now_ns += 10 * SECOND
    assert await sent_of(controller) == (0, 0)
    path = await path_of(controller)
    if rule.startswith("policy."):
        streams = (await controller.get("/api/v1/streams?limit=1000"))["items"]
        mine = next(s for s in streams if s["stream_id"] == str(stream_of(controller).stream_id))
        assert mine["state"] == "curtailed"
        assert mine["silence"]["agent"] == "suzhou"
    assert path["state"] not in ("path_down", "failing", "ok")
    (told,) = path["silences"]
    assert (told["agent"], told["side"], told["rule"]) == ("suzhou", "answering", rule)
    found = await controller.get(f"/api/v1/verdicts?target=jiangsu-circle-5&path={THERE}")
    assert found["items"][0]["verdict"] == "no_data"
    assert "suzhou" in found["items"][0]["reason"]["en"]
    assert "suzhou" in found["items"][0]["reason"]["zh"]


async def test_what_is_told_afterwards_takes_what_was_judged_before_out_again(
    controller: Any, deliver: Deliver, clock: Any
) -> None:
    await deliver(controller, ago_s=100)
    await deliver(controller, lost=500)  # the agent was restarted, and comes back only now
    assert await sent_of(controller) == (1000, 500)
    say(controller, silent(clock, "agent.restarting", ago_s=9, over_s=1))
    assert await sent_of(controller) == (500, 0)


async def test_an_agent_that_was_merely_not_heard_excuses_no_loss(
    controller: Any, deliver: Deliver, clock: Any
) -> None:
    for _ in range(4):
        await deliver(controller, lost=500)
        clock.now_ns += 10 * SECOND
    say(controller)  # it comes back, and has answered all the time
    assert await sent_of(controller) == (2000, 2000)
    found = await controller.get(f"/api/v1/verdicts?target=jiangsu-circle-5&path={THERE}")
    assert found["items"][0]["verdict"] == "fail"


async def test_loss_counts_again_once_the_silence_is_over(
    controller: Any, deliver: Deliver, clock: Any
) -> None:
    entry = silent(clock, "policy.reflector.enabled", ago_s=20)
    say(controller, entry)
    clock.now_ns += 5 * SECOND
    say(controller)  # it answers again
    clock.now_ns += 20 * SECOND
    await deliver(controller, lost=100)
    assert await sent_of(controller) == (500, 100)


async def test_an_agent_speaks_of_its_own_reflectors_alone(
    controller: Any, deliver: Deliver, clock: Any
) -> None:
    say(controller, silent(clock, "agent.stopped", ago_s=20), agent="nanjing")
    await deliver(controller, lost=500)
    assert await sent_of(controller) == (500, 500)


async def test_senders_that_are_answered_are_judged(
    controller: Any, deliver: Deliver, clock: Any
) -> None:
    entry = silent(clock, "policy.destinations", ago_s=20, senders=("198.51.100.1",))
    say(controller, entry)
    await deliver(controller, lost=50)
    assert await sent_of(controller) == (500, 50)
    say(
        controller,
        entry,
        silent(clock, "policy.reflector.open", ago_s=20, senders=("192.0.2.0/30",)),
    )
    await deliver(controller, lost=500)
    assert (await sent_of(controller))[1] <= 50


async def test_what_nobody_has_confirmed_yet_is_no_loss_unless_it_is_answered(
    controller: Any, deliver: Deliver, clock: Any
) -> None:
    state = controller.services
    asked = {"suzhou": {("192.0.2.2", 8620, "192.0.2.1")}}
    state.silences.requested_again(asked, state.distribution.plans, clock.now_ns)
    clock.now_ns += 10 * SECOND
    await deliver(controller, lost=500)
    assert await sent_of(controller) == (0, 0)
    clock.now_ns += 10 * SECOND
    await deliver(controller, lost=10)  # so it does answer, whatever becomes of its word
    assert await sent_of(controller) == (500, 10)
    say(controller)
    clock.now_ns += 30 * SECOND
    await deliver(controller, lost=500)
    assert (await sent_of(controller))[1] >= 500


async def test_restarted_controller_knows_what_held_then(
    open_controller: Any, deliver: Deliver, clock: Any
) -> None:
    async with open_controller() as first:
        say(first, silent(clock, "policy.reflector.enabled", ago_s=60))
        await deliver(first, lost=500)
        say(first)
        await deliver(first, ago_s=-30)
    clock.now_ns += 40 * SECOND
    async with open_controller() as second:
        assert await sent_of(second) == (500, 0)
        kept = [
            one
            for one in second.services.silences.now.records.values()
            if one.rule.startswith("policy")
        ]
        assert [one.to_ns is None for one in kept] == [False]


async def test_own_streams_that_an_owner_refuses_are_remembered_with_their_times(
    controller: Any, clock: Any
) -> None:
    from messages.exchange import CurtailedStream

    stream = stream_of(controller)
    refused = CurtailedStream(
        stream_id=stream.stream_id, rule="policy.destinations", action="refused"
    )
    version = controller.services.distribution.plans["nanjing"].version

    def tell(*streams: CurtailedStream) -> list[SilenceRecord]:
        message = Curtailed(plan_version=version, streams=streams)
        return controller.services.silences.heard("nanjing", message, clock.now_ns)

    assert len(tell(refused)) == 1
    assert tell(refused) == []
    row = controller.services.rounds.scope.streams.index(stream)
    assert controller.services.silences.now.of_row(row, clock.now_ns).side == "sending"
    clock.now_ns += 60 * SECOND
    (over,) = tell()
    assert over.to_ns - over.from_ns == 60 * SECOND


async def test_message_of_thousands_of_entries_holds_nobody_up(controller: Any, clock: Any) -> None:
    entries = [
        silent(clock, "reflector.not_listening", ago_s=60 + i * 1e-3) for i in range(MAX_UNANSWERED)
    ]
    began_s = time.process_time()
    for more in range(3):
        say(controller, *(msgspec.structs.replace(e, from_ns=e.from_ns - more) for e in entries))
    assert time.process_time() - began_s < 5  # was 20 on the event loop: the square of their number
    mine = [
        one for one in controller.services.silences.now.records.values() if one.agent == "suzhou"
    ]
    assert len(mine) == SILENCES_KEPT
    assert sum(one.to_ns is None for one in mine) >= MAX_UNANSWERED


async def test_silences_of_one_agent_push_out_no_others_of_the_database(
    controller: Any, clock: Any
) -> None:
    say(
        controller,
        Unanswered(
            rule="agent.restarting",
            address="192.0.2.1",
            port=8620,
            from_ns=clock.now_ns - 3 * SECOND,
            to_ns=clock.now_ns,
        ),
        agent="nanjing",
    )
    store = controller.services.store.silences
    whole = [
        SilenceRecord(
            mark=f"suzhou|{i}",
            agent="suzhou",
            side="answering",
            rule="agent.restarting",
            from_ns=clock.now_ns + i,
            to_ns=clock.now_ns + i,
            stream_ids=np.zeros(0, np.uint64),
        )
        for i in range(SILENCES_KEPT + 500)
    ]
    store.put(whole).result()
    kept = store.records()
    assert "agent.restarting" in {one.rule for one in kept if one.agent == "nanjing"}
    assert next(one.mark for one in kept if one.agent == "suzhou") == "suzhou|500"
