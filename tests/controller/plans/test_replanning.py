"""Windows of a campaign: its own streams, paths and report, and the live map as it was before."""

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from controller.api.http_answers import page_policy
from tests.controller.campaigns.campaign_calls import SECOND_NS, asked, cancel, log_of, post, show


async def test_windows_and_states_of_its_streams_come_and_go(
    controller: Any, clock: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> None:
    state = controller.services
    clock.now_ns += 600 * SECOND_NS  # the controller has listened for long
    own = [s.stream_id for s in state.rounds.scope.streams if s.path.source.site == "nanjing"]
    batch = batch_of(own, clock.now_ns - 10 * SECOND_NS)
    await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=0))
    await controller.judge()
    sent = state.rounds.live.latest.evidence.sent.copy()
    await post(controller, asked(duration_s=600))
    await state.scheduler.look()
    assert (state.rounds.live.latest.evidence.sent[: len(sent)] == sent).all()
    new = state.rounds.scope.streams[-1].stream_id

    def stands() -> Any:
        return controller.get("/api/v1/states?kind=stream")

    # It has just begun: silence is not said before it could have spoken.
    assert {s["subject"]: s["state"] for s in (await stands())["items"]}[str(new)] == "ok"
    clock.now_ns += 10 * SECOND_NS
    batch = batch_of([new], clock.now_ns - 10 * SECOND_NS, sent=500)
    await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=1))
    await controller.judge()
    assert (await show(controller))["reporting"] == 2
    assert state.rounds.live.latest.evidence.sent[-1] == 500
    clock.now_ns += 200 * SECOND_NS
    state.fleet.heard("nanjing")
    await controller.judge()
    assert {s["subject"]: s["state"] for s in (await stands())["items"]}[str(new)] == "no_data"

    await cancel(controller, "voice")
    await state.scheduler.look()
    assert (state.rounds.live.latest.evidence.sent == sent).all()
    clock.now_ns += 300 * SECOND_NS
    state.fleet.heard("nanjing")
    await controller.judge()
    assert str(new) not in {s["subject"] for s in (await stands())["items"]}
    log = await log_of(controller, f"kind=stream&subject={new}")
    assert [state for _, state in log] == ["ended", "no_data", "ok"]
    # A window that was on its way is stored all the same.
    batch = batch_of([new], clock.now_ns - 10 * SECOND_NS)
    await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=2))


async def test_the_report_rests_on_the_campaigns_own_streams_and_period(
    controller: Any, clock: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> None:
    state = controller.services
    clock.now_ns += 10 * SECOND_NS
    own = [s.stream_id for s in state.rounds.scope.streams if s.path.source.site == "nanjing"]

    async def deliver(ids: list[int], number: int, **more: Any) -> None:
        clock.now_ns += 10 * SECOND_NS
        batch = batch_of(ids, clock.now_ns - 10 * SECOND_NS, sent=200, **more)
        await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=number))

    slow = {"rtt_ns": 40e6, "forward_ns": 20e6}
    await deliver(own, 0, **slow)
    path = "nanjing.telecom.v4>suzhou.telecom.v4"
    target = next(
        d.target.name
        for d in state.rounds.scope.demands
        if d.path.id == path and d.target.kind == "delay"
    )
    await post(controller, asked(duration_s=40, targets=[target]))
    await state.scheduler.look()
    ids = [
        stream.stream_id
        for stream in state.rounds.scope.streams
        if stream.path.source.site == "nanjing"
    ]
    clock.now_ns -= 5 * SECOND_NS  # windows do not begin with the campaign
    for number in range(1, 6):
        fast = {"rtt_ns": 900_000.0, "forward_ns": 450_000.0}
        await deliver(ids, number, **(fast if 1 < number < 5 else slow))
    await state.scheduler.look()
    await deliver(own, 6, **slow)
    (record,) = state.campaigns.records.values()
    clock.now_ns = record.to_ns + state.reporting.patience_ns(record) - 1
    assert state.reporting.due() == []
    assert (
        "no report yet"
        in (await controller.get("/api/v1/campaigns/voice/report", 404))["error"]["message"]["en"]
    )
    clock.now_ns += 1
    assert state.reporting.due() == [record]
    await state.reporting.report(record)
    assert state.reporting.due() == []
    found = await show(controller)
    assert [(r["target"], r["counts"]) for r in found["results"]] == [(target, {"pass": 1})]
    account = found["account"]
    assert account["due"] == account["judged"] + sum(account["excluded"].values())
    assert (account["from_ns"], account["to_ns"]) == (record.from_ns, record.to_ns)
    assert account["excluded"]["change"] + account["excluded"]["missing"] > 0  # it began in one
    async with controller.session.get("http://controller/api/v1/campaigns/voice/report") as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        page = await answer.text()
    assert answer.headers["Content-Security-Policy"] == page_policy(page)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="voice.html"'
    # What its policy forbids, it does not use: only its own styles, in one place.
    assert page.count("<style>") == 1
    assert not re.search(r"<(script|link|img|iframe)\b|\s(style|on[a-z]+)=", page)
    assert "dscp46" in page
    assert "jiangsu-circles" not in page  # one circle of three has no rate of the group's
    assert "语音" in page
    # Nothing of it stays in the live map.
    assert state.rounds.live.latest.evidence.sent.shape == (len(state.rounds.scope.permanent),)


async def test_a_path_of_its_own_comes_and_goes_and_its_windows_stay_readable(
    open_controller: Callable[[], AbstractAsyncContextManager[Any]],
    site_file: Any,
    clock: Any,
    batch_of: Callable[..., Any],
    chunk_of: Callable[..., bytes],
) -> None:
    text = site_file.read_text(encoding="utf-8")
    mesh = 'name = "all"\nkind = "list"\npairs = [["nanjing", "router"]]'
    site_file.write_text(text.replace('name = "all"', mesh), encoding="utf-8")
    path = "nanjing.telecom.v4>suzhou.telecom.v4"
    async with open_controller() as controller:
        state = controller.services
        clock.now_ns += 600 * SECOND_NS
        await controller.judge()
        targets = await controller.get("/api/v1/targets")
        paths = await controller.get("/api/v1/paths")
        assert path not in [item["id"] for item in paths["items"]]
        await post(controller, asked())
        await state.scheduler.look()
        assert path in [item["id"] for item in (await controller.get("/api/v1/paths"))["items"]]
        # Who only reflected until now is not without data yet, nor is the path.
        known = (await controller.get("/api/v1/states"))["items"]
        assert [item["state"] for item in known if item["subject"] == path] == ["ok"]
        ids = [s.stream_id for s in state.rounds.scope.streams if s.path.id == path]
        clock.now_ns += 10 * SECOND_NS
        batch = batch_of(ids, clock.now_ns - 10 * SECOND_NS)
        await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=0))
        await controller.judge()
        now = await controller.get("/api/v1/targets")
        assert [t["compliance"] for t in now["items"]] == [
            t["compliance"] for t in targets["items"]
        ]
        async with controller.session.get("http://controller/metrics") as answer:
            assert f'path="{path}"' in await answer.text()
        await cancel(controller, "voice")
        await state.scheduler.look()
        assert await controller.get("/api/v1/paths") == paths
        windows = await controller.get(f"/api/v1/windows?path={path}&protocol=udp")
        assert [item["sent"] for item in windows["items"]] == [10]
        span = f"from_ns={clock.now_ns - 60 * SECOND_NS}&to_ns={clock.now_ns}"
        async with controller.session.get(
            f"http://controller/api/v1/export?{span}&format=csv&site=suzhou"
        ) as answer:
            lines = (await answer.text()).splitlines()
        assert len(lines) == 1 + len(ids)
        assert ",suzhou," in lines[1]
        log = await log_of(controller, "kind=path")
        assert log[:2] == [(path, "ended"), (path, "ok")]
