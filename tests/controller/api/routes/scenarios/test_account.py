"""What became of every probe that was due while the present verdicts were measured."""

from __future__ import annotations

from typing import Any

import msgspec

from controller.api.routes.control import _note_silences
from controller.live.account_document import AccountDocument
from messages.exchange import Curtailed, Unanswered
from tests.controller.live.test_accounts import SECOND, THERE, adds_up


async def test_account_of_the_judged_period_adds_up_and_names_whose_doing_it_was(
    controller: Any, clock: Any, batch_of: Any, chunk_of: Any
) -> None:
    state = controller.services
    mine = [
        s for s in state.rounds.scope.streams if s.path.id == THERE and s.type_p.protocol == "udp"
    ]
    entry = Unanswered(
        address="192.0.2.2",
        port=8620,
        rule="policy.reflector.enabled",
        from_ns=clock.now_ns + 31 * SECOND,
    )
    for number in range(6):
        batch = batch_of([mine[0].stream_id], clock.now_ns, lost=10 if number > 2 else 0)
        clock.now_ns += 10 * SECOND
        if number == 3:
            version = state.distribution.plans["suzhou"].version
            _note_silences(
                state, "suzhou", Curtailed(plan_version=version, streams=(), unanswered=(entry,))
            )
        await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=number))
    await controller.judge()
    found = await controller.get("/api/v1/account")
    account = msgspec.convert(found, AccountDocument)
    assert adds_up(account)
    assert account.lost == 0
    assert account.judged == int(state.rounds.live.latest.evidence.sent.sum())
    of_one = await controller.get("/api/v1/account?targets=jiangsu-circle-5")
    assert adds_up(msgspec.convert(of_one, AccountDocument))
    await controller.get("/api/v1/account?targets=nothing", 404)
