"""What a request names is found, or refused as unknown by its own code."""

from typing import Any

import pytest

from controller.api.error_answers import ApiError
from controller.api.lookup import known_agent, number_of, recorded_on
from controller.domain_errors import UnknownError

PATH = "nanjing.telecom.v4>suzhou.telecom.v4"


async def test_an_agent_is_one_of_the_site_file(controller: Any) -> None:
    now = controller.services.readings.snapshots.now()
    assert known_agent(now, "nanjing") == "nanjing"
    for other in ("router", "", "Nanjing"):  # the router is a place of somebody else's
        with pytest.raises(UnknownError) as caught:
            known_agent(now, other)
        assert caught.value.code == "unknown_agent"


@pytest.mark.parametrize(("kind", "zh"), [("target", "指标"), ("path", "路径"), ("site", "站点")])
def test_a_name_has_its_number_or_is_refused_in_both_languages(kind: str, zh: str) -> None:
    assert number_of({"a": 0, "b": 1}, "b", kind) == 1
    with pytest.raises(ApiError) as caught:
        number_of({"a": 0}, "c", kind)
    error = caught.value
    assert (error.status, error.code, error.fields) == (404, f"unknown_{kind}", {"name": "c"})
    assert (f"no {kind} named c" in error.text.en, zh in error.text.zh) == (True, True)


async def test_every_stream_ever_planned_on_a_path_is_found_by_its_protocol(
    controller: Any,
) -> None:
    now = controller.services.readings.snapshots.now()
    assert sorted(one.protocol for one in recorded_on(now, PATH, None)) == ["icmp", "udp"]
    assert [one.protocol for one in recorded_on(now, PATH, "udp")] == ["udp"]
    assert recorded_on(now, PATH, "tcp") == []
    with pytest.raises(ApiError) as caught:
        recorded_on(now, "a>b", None)
    assert caught.value.code == "unknown_path"
