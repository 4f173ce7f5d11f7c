"""Every probe that was due is judged, or left out by name: the parts add up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from controller.campaigns.campaign_file import Campaign
from controller.documents.health import ControllerHealth
from controller.fleet.exclusions import Exclusions
from controller.fleet.maintenance import MaintenanceSchedule, PathIndex
from controller.fleet.silence_registry import SilenceRegistry
from controller.fleet.silences import StreamIndex
from controller.live.account_document import AccountDocument
from controller.live.accounts import Tally
from controller.plans.planner import asked_since
from controller.reports.page import render_report
from controller.reports.report import Answers, assemble
from controller.reports.words import LEFT_OUT_WORDS
from controller.store.event_log import MaintenanceRecord
from controller.store.records import PlanRecord, SilenceRecord
from foundation.text import Text

SECOND = 1_000_000_000
THERE = "nanjing.telecom.v4>suzhou.telecom.v4"


def parts_of(account: AccountDocument) -> dict[str, int]:
    return dict(msgspec.to_builtins(account.excluded))


def adds_up(account: AccountDocument) -> bool:
    return account.due == account.judged + sum(parts_of(account).values())


@pytest.fixture
def one(controller: Any) -> Any:
    """The STAMP stream there, slowed to a probe a second."""
    stream = next(
        s
        for s in controller.services.rounds.scope.streams
        if s.path.id == THERE and s.type_p.protocol == "udp"
    )
    return msgspec.structs.replace(stream, interval_ms=1000.0)


@pytest.fixture
def tally_of(one: Any) -> Callable[..., Tally]:
    def make(*records: Any, **more: Any) -> Tally:
        maintenance = MaintenanceSchedule(
            [r for r in records if isinstance(r, MaintenanceRecord)],
            PathIndex([one.path], np.zeros(1, np.int64)),
        )
        silences = [r for r in records if isinstance(r, SilenceRecord)]
        return Tally(
            [one],
            Exclusions(maintenance.now, SilenceRegistry(silences, StreamIndex([one])).now),
            **more,
        )

    return make


def silence(one: Any, side: Any, from_s: float, to_s: float | None, **more: Any) -> SilenceRecord:
    told: dict[str, Any] = {"mark": side, "agent": "a", "rule": "policy.destinations"} | more
    return SilenceRecord(
        side=side,
        from_ns=round(from_s * SECOND),
        to_ns=None if to_s is None else round(to_s * SECOND),
        stream_ids=np.array([one.stream_id], np.uint64),
        **told,
    )


def windows(batch_of: Any, one: Any, tally: Tally, *starts_s: int, **more: Any) -> None:
    for start_s in starts_s:
        tally.add(batch_of([one.stream_id], start_s * SECOND, **more))


async def test_each_cause_is_counted_by_its_name(
    one: Any, tally_of: Callable[..., Tally], batch_of: Any
) -> None:
    rest = MaintenanceRecord(
        from_ns=20 * SECOND,
        to_ns=30 * SECOND,
        paths=(THERE,),
        reason="r",
        created_ns=0,
        created_by="o",
    )
    tally = tally_of(
        rest,
        silence(one, "answering", 44, 46),
        silence(one, "sending", 60, 80),
    )
    windows(batch_of, one, tally, 10, lost=2)
    windows(batch_of, one, tally, 20)  # in maintenance
    windows(batch_of, one, tally, 30, suspect=True)
    windows(batch_of, one, tally, 40)  # not answered
    odd = batch_of([one.stream_id], 50 * SECOND, sent=7)
    odd.counters["not_sent_firewall"][:] = 3
    tally.add(odd)
    account = tally.account(5 * SECOND, 104 * SECOND, 10 * SECOND)
    assert parts_of(account) == {
        "not_sent": 3,
        "suspect": 10,
        "change": 9,  # 5 s before the first whole window and 4 s after the last
        "maintenance": 10,
        "unanswered": 10,
        "curtailed": 20,
        "missing": 20,  # of the 40 s that have no window, what nobody refused
    }
    assert (account.judged, account.lost, account.due) == (17, 2, 99)
    assert adds_up(account)


async def test_two_windows_of_one_time_hide_no_time_without_any(
    tally_of: Callable[..., Tally], one: Any, batch_of: Any
) -> None:
    """A sender that was restarted within a window delivers it twice, each time a part."""
    tally = tally_of()
    windows(batch_of, one, tally, 0, 10)
    windows(batch_of, one, tally, 10, sent=4)  # before the restart and after it: 14 were asked
    windows(batch_of, one, tally, 30)
    account = tally.account(0, 50 * SECOND, 10 * SECOND)
    assert (account.judged, account.excluded.missing, account.due) == (34, 20, 54)


@pytest.mark.parametrize(
    ("sent", "refused", "missing", "curtailed"),
    [
        ((10, 10, 10), (), 0, 0),
        ((10, 4, 10), (), 6, 0),  # it was away for a part of a window
        ((3, 0, 10), (), 17, 0),
        ((10, 9, 10), (), 0, 0),  # of one probe nobody can say whose window it is
        ((10, 4, 10), ((10, 16),), 0, 0),  # its owner refused it for that time
        ((10, 4), ((20, 26),), 10, 6),
    ],
)
async def test_what_a_campaigns_windows_lack_of_the_plan_is_missing(
    tally_of: Callable[..., Tally],
    one: Any,
    batch_of: Any,
    sent: tuple[int, ...],
    refused: tuple[tuple[int, int], ...],
    missing: int,
    curtailed: int,
) -> None:
    records = [silence(one, "sending", *times) for times in refused]
    tally = tally_of(*records, since_ns=np.zeros(1, np.int64))
    for number, count in enumerate(sent):
        windows(batch_of, one, tally, 10 * number, sent=count)
    account = tally.account(0, 30 * SECOND, 10 * SECOND)
    assert account.judged == sum(sent)
    assert adds_up(account)
    assert (account.excluded.missing, account.excluded.curtailed) == (missing, curtailed)


@pytest.mark.parametrize(
    ("since_s", "sent", "missing", "judged"),
    [
        (0, (10, 10, 10, 10), 0, 40),
        (0, (4, 10, 10, 10), 6, 34),
        (20, (5, 5, 10, 10), 0, 30),  # it was asked for half as many before
        (15, (5, 7, 4, 10), 6, 26),  # of the window of the change nobody knows what was due
        (20, (0, 0, 10, 0), 10, 10),  # it was not planned before
    ],
)
async def test_windows_lack_what_is_asked_since_the_plan_changed(
    tally_of: Callable[..., Tally],
    one: Any,
    batch_of: Any,
    since_s: int,
    sent: tuple[int, ...],
    missing: int,
    judged: int,
) -> None:
    tally = tally_of(since_ns=np.array([since_s * SECOND]))
    for number, count in enumerate(sent):
        if count:
            windows(batch_of, one, tally, 10 * number, sent=count)
    account = tally.account(0, 40 * SECOND, 10 * SECOND)
    assert (account.judged, account.excluded.missing) == (judged, missing)
    assert account.excluded.change == 0
    assert adds_up(account)


async def test_the_account_of_now_counts_what_windows_lack(
    controller: Any, clock: Any, batch_of: Any, chunk_of: Any
) -> None:
    """An agent that is away for a part of a window, or asks less than its plan for any reason."""
    mine = [s for s in controller.services.rounds.scope.streams if s.path.source.site == "nanjing"]
    clock.now_ns += 20 * SECOND  # its plan is older than what is judged
    for number in range(6):
        due = {s.stream_id: round(10_000 / s.interval_ms) for s in mine}
        for place, (stream_id, asked) in enumerate(due.items()):
            sent = asked // 2 if number == 3 else asked
            batch = batch_of([stream_id], clock.now_ns, sent=sent)
            chunk = chunk_of(batch, agent="nanjing", sequence=1000 * number + place)
            await controller.deliver("nanjing", chunk)
        clock.now_ns += 10 * SECOND
    await controller.judge()
    account = msgspec.convert(await controller.get("/api/v1/account"), AccountDocument)
    bound = {demand.path.id for demand in controller.services.rounds.scope.demands}
    counted = [
        s.path.source.site == "nanjing"
        for s in controller.services.rounds.scope.streams
        if s.path.id in bound
    ]
    here, silent = counted.count(True), counted.count(False)  # each asks ten probes per window
    assert set(due.values()) == {10}
    assert adds_up(account)
    assert (account.judged, account.excluded.missing) == (55 * here, 5 * here + 60 * silent)


async def test_what_is_asked_since_when_is_read_from_the_history_of_plans(
    controller: Any, one: Any
) -> None:
    state = controller.services
    plan = state.distribution.plans["nanjing"]
    streams = tuple(s for s in state.rounds.scope.streams if s.path.source.site == "nanjing")
    first, second, *_ = plan.streams
    others = tuple(
        msgspec.structs.replace(spec, interval_ms=2 * spec.interval_ms)
        if spec.stream_id == first.stream_id
        else spec
        for spec in plan.streams
    )
    history = (others, others[:1] + others[2:], plan.streams, plan.streams)
    for number, specs in enumerate(history, 1):
        content = msgspec.json.encode(msgspec.structs.replace(plan, version=0, streams=specs))
        record = PlanRecord(agent="nanjing", version=plan.version + number, content=content)
        state.store.plans.put([record], 1000 * SECOND + number).result()
    since_ns = asked_since(state.store, streams, {"nanjing": plan}, 1000 * SECOND + 1)
    found = {s.stream_id: t - 1000 * SECOND for s, t in zip(streams, since_ns, strict=True)}
    assert (found.pop(first.stream_id), found.pop(second.stream_id)) == (3, 3)
    assert set(found.values()) == {1}


async def test_where_all_windows_are_of_a_starved_machine_they_are_judged(
    one: Any, tally_of: Callable[..., Tally], batch_of: Any
) -> None:
    tally = tally_of()
    windows(batch_of, one, tally, 0, 10, suspect=True)
    account = tally.account(0, 20 * SECOND, 10 * SECOND)
    assert (account.judged, account.due, set(parts_of(account).values())) == (20, 20, {0})


async def test_what_an_owner_slows_was_due_all_the_same(
    one: Any, tally_of: Callable[..., Tally], batch_of: Any
) -> None:
    tally = tally_of(silence(one, "sending", 0, None, action="throttled", share=0.2))
    windows(batch_of, one, tally, 0, 10, sent=2)
    account = tally.account(0, 20 * SECOND, 10 * SECOND)
    assert (account.judged, account.excluded.curtailed, account.due) == (4, 16, 20)


async def test_report_after_a_reload_names_the_time_of_its_data(
    open_controller: Any, clock: Any, batch_of: Any, chunk_of: Any
) -> None:
    """What was measured before the controller started afresh is judged, and so is named."""
    async with open_controller() as first:
        ids = [
            s.stream_id
            for s in first.services.rounds.scope.streams
            if s.path.source.site == "nanjing"
        ]
        start_ns = clock.now_ns
        for number in range(70):
            batch = batch_of(ids, clock.now_ns)
            await first.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=number))
            clock.now_ns += 10 * SECOND
    async with open_controller() as second:
        clock.now_ns += 36 * SECOND
        await second.judge()
        health = await second.get("/api/v1/health")
    assert health["started_ns"] > health["data_from_ns"]
    assert (health["data_from_ns"], health["data_to_ns"]) == (
        start_ns,
        start_ns + 700 * SECOND,
    )


async def test_report_shows_what_was_due_and_each_cause(controller: Any) -> None:
    causes = {name: 1000 + number for number, name in enumerate(LEFT_OUT_WORDS)}
    account = msgspec.convert(
        {
            "from_ns": 0,
            "to_ns": SECOND,
            "due": 24_000,
            "judged": 16_789,
            "lost": 12,
            "excluded": causes,
        },
        AccountDocument,
    )
    assert set(LEFT_OUT_WORDS) == set(parts_of(account))
    health = msgspec.convert(await controller.get("/api/v1/health"), ControllerHealth)
    answers = Answers(
        health=health, sites=(), agents=(), targets=(), paths=(), verdicts=(), account=account
    )
    campaign = Campaign(name="c", title=Text("C", "测"), duration_s=60)
    page = render_report(assemble(campaign, answers, 0, SECOND, None))
    for count in (24_000, 16_789, *causes.values()):
        assert f"{count:,}" in page
    for text in LEFT_OUT_WORDS.values():
        assert text.en in page
        assert text.zh in page
