"""Campaigns asked for: what must be there, what is too much, what is told before they begin."""

from typing import Any

import pytest

from tests.controller.campaigns.campaign_calls import PAIR, SECOND_NS, VOICE, asked, post


async def test_what_it_names_must_be_there(controller: Any) -> None:
    mesh = VOICE | {"pairs": [["nanjing", "suzhuo"]]}
    body = asked(mesh=[mesh], targets=["circle"], time_zone="Asia/Nanjing")
    error = (await post(controller, body, 422))["error"]
    assert error["code"] == "bad_campaign"
    keys = [problem["key"] for problem in error["fields"]["problems"]]
    assert keys == [["mesh", 0, "pairs"], ["targets", 0], ["time_zone"]]
    assert "did you mean `suzhou`" in error["message"]["en"]
    nothing = VOICE | {"members": {"sites": ["router"]}, "kind": "full", "pairs": []}
    error = (await post(controller, asked(mesh=[nothing]), 422))["error"]
    assert "select no path" in error["message"]["en"]
    assert (await controller.get("/api/v1/campaigns"))["items"] == []


async def test_what_would_be_too_much_is_refused_with_what_to_change(controller: Any) -> None:
    load = await post(controller, asked(), 200, "-load")
    assert (load["streams"], load["streams_added"], load["streams_faster"]) == (2, 1, 1)
    assert load["packets_per_s"] == pytest.approx(50 + 9)
    assert load["bits_per_s"] == pytest.approx(50 * 92 * 8 + 9 * 72 * 8)
    assert load["busiest_agent"]["name"] == "nanjing"
    fast = VOICE | {"stream": [{"protocol": "udp", "port": 8620, "interval_ms": 1}]}
    for route in ("s", "-load"):
        error = (await post(controller, asked(mesh=[fast]), 422, route))["error"]
        assert "longer interval_ms" in error["message"]["en"]
        assert "pair_packets_per_s" in error["message"]["en"]
    assert (await controller.get("/api/v1/campaigns"))["items"] == []
    error = (await post(controller, asked(duration_s=29), 422))["error"]
    assert "at least 30 s" in error["message"]["en"]
    later = asked(begin_ns=controller.services.clock.now_ns - 3600 * SECOND_NS)
    assert (await post(controller, later, 422))["error"]["code"] == "bad_period"


@pytest.mark.parametrize(("interval_ms", "told"), [(1000, ["P95"]), (500, []), (50, [])])
async def test_quantiles_that_so_few_probes_cannot_decide_are_told_before_it_begins(
    controller: Any, interval_ms: int, told: list[str]
) -> None:
    mesh = PAIR | {"stream": [{"protocol": "icmp", "interval_ms": interval_ms}]}
    body = asked(mesh=[mesh], targets=["jiangsu-circle-5"], duration_s=60)
    load = await post(controller, body, 200, "-load")
    assert len(load["notes"]) == len(told)
    for note, statistic in zip(load["notes"], told, strict=True):
        assert statistic in note["en"]
        assert "72" in note["en"]
        assert statistic in note["zh"]
