"""The account of a report closes, whatever happened to the agents and the controller meanwhile."""

from collections.abc import Callable
from typing import Any

from campaign_calls import PAIR, SECOND_NS, asked, post, show

MESH = PAIR | {"stream": [{"protocol": "icmp", "interval_ms": 250}]}


async def test_the_report_of_a_campaign_that_met_restarts_and_a_clock_step_closes(
    open_controller: Any, clock: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> None:
    clock.now_ns += 20 * SECOND_NS
    async with open_controller() as first:
        await post(first, asked(duration_s=100, mesh=[MESH]))
        await first.services.scheduler.look()
        (record,) = first.services.campaigns.records.values()
        own = [
            s.stream_id
            for s in first.services.campaigns.streams_of(
                first.services.rounds.scope.network, record
            )
        ]
        begun_ns = clock.now_ns
    number = 0

    async def deliver(controller: Any, at_s: int, sent: int, boot: str = "00c0ffee", **more: Any):
        nonlocal number
        number += 1
        batch = batch_of(own, begun_ns + at_s * SECOND_NS, sent=sent, **more)
        clock.now_ns = max(clock.now_ns, begun_ns + (at_s + 10) * SECOND_NS)
        await controller.deliver(
            "nanjing", chunk_of(batch, agent="nanjing", sequence=number, boot=boot)
        )

    async with open_controller() as second:
        await deliver(second, 0, 40)
        await deliver(second, 10, 15)  # the agent is restarted here
        await deliver(second, 10, 20, boot="0ddba115")
        await deliver(second, 10, 5, boot="0ddba115", suspect=True)
    async with open_controller() as third:
        await third.services.scheduler.look()
        await deliver(third, 30, 40, boot="0ddba115", suspect=True)  # its clock is stepped
        await deliver(third, 50, 40, boot="0ddba115")
        await deliver(third, 60, 40, boot="0ddba115", lost=3)
        clock.now_ns = begun_ns + 200 * SECOND_NS
        await third.services.scheduler.look()
        (record,) = third.services.campaigns.records.values()
        await third.services.reporting.report(record)
        account = (await show(third))["account"]
    assert account["due"] == account["judged"] + sum(account["excluded"].values())
    assert account["due"] == 400 * len(own)
    assert account["judged"] == 155
    assert (account["excluded"]["suspect"], account["excluded"]["missing"]) == (45, 200)


async def test_a_site_that_is_taken_away_takes_no_other_paths_from_the_report(
    open_controller: Any, clock: Any, batch_of: Any, chunk_of: Any, site_file: Any
) -> None:
    wuxi = '\n[[site]]\nname = "wuxi"\ncity = "wuxi"\nroles = ["data_centre"]\ninterface = ['
    wuxi += '{ carrier = "telecom", ipv4 = "192.0.2.9" }]\n'
    text = site_file.read_text(encoding="utf-8")
    site_file.write_text(text.replace("\n[[mesh]]", f"{wuxi}\n[[mesh]]"), encoding="utf-8")
    clock.now_ns += 20 * SECOND_NS
    begun_ns = clock.now_ns
    mesh = MESH | {"pairs": [["nanjing", "suzhou"], ["nanjing", "wuxi"]]}
    async with open_controller() as first:
        await post(first, asked(duration_s=100, mesh=[mesh]))
        await first.services.scheduler.look()
        (record,) = first.services.campaigns.records.values()
        own = [
            s.stream_id
            for s in first.services.campaigns.streams_of(
                first.services.rounds.scope.network, record
            )
        ]
        for number in range(10):
            batch = batch_of(own, begun_ns + number * 10 * SECOND_NS, sent=40)
            clock.now_ns += 10 * SECOND_NS
            await first.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=number))
    site_file.write_text(text, encoding="utf-8")
    async with open_controller() as second:
        clock.now_ns = begun_ns + 200 * SECOND_NS
        await second.services.scheduler.look()
        (record,) = second.services.campaigns.records.values()
        await second.services.reporting.report(record)
        account = (await show(second))["account"]
        address = "http://controller/api/v1/campaigns/voice/report"
        async with second.session.get(address) as answer:
            page = await answer.text()
    assert (account["due"], account["judged"]) == (400, 400)
    assert "所请求的 2 条测量流中仅剩 1 条" in page


async def test_the_account_of_now_follows_a_plan_that_changes_within_its_period(
    controller: Any, clock: Any, batch_of: Any, chunk_of: Any
) -> None:
    state = controller.services
    own = [s.stream_id for s in state.rounds.scope.streams if s.path.source.site == "nanjing"]
    number = 0
    clock.now_ns += 20 * SECOND_NS

    async def deliver(ids: list[int], **more: Any) -> None:
        nonlocal number
        number += 1
        clock.now_ns += 10 * SECOND_NS
        batch = batch_of(ids, clock.now_ns - 10 * SECOND_NS, **more)
        await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=number))

    async def account_of_now() -> Any:
        await controller.judge()
        found = await controller.get("/api/v1/account")
        assert found["due"] == found["judged"] + sum(found["excluded"].values())
        return found

    for _ in range(6):
        await deliver(own)
    before = await account_of_now()
    await post(controller, asked(duration_s=600, mesh=[MESH]))
    await state.scheduler.look()
    (record,) = state.campaigns.records.values()
    (faster,) = [
        s.stream_id for s in state.campaigns.streams_of(state.rounds.scope.network, record)
    ]
    for sent in (40, 40, 13):
        await deliver([number for number in own if number != faster])
        number += 1
        batch = batch_of([faster], clock.now_ns - 10 * SECOND_NS, sent=sent)
        await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=number))
    after = await account_of_now()
    silent = before["excluded"]["missing"] * 90 // 60  # streams of an agent that sends nothing
    assert after["excluded"]["missing"] == silent + 40 - 13
    assert after["due"] == before["due"] * 90 // 60 + 3 * (40 - 10)
