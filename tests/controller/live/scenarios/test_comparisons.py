"""Channels beside their ordinary paths, IPv6 beside IPv4, paired in time, over the API."""

import pathlib
from collections.abc import Callable
from typing import Any

import pytest

SECOND = 1_000_000_000
MS = 1_000_000.0

CHANNELS = """
[network]
name = "trial"
presets = ["jiangsu"]
[[site]]
name = "near"
city = "nanjing"
roles = ["international_channel", "ordinary_internet", "data_centre"]
important = true
interface = [{ carrier = "telecom", ipv4 = "192.0.2.1", ipv6 = "2001:db8::1" }]
[[site]]
name = "suzhou"
city = "suzhou"
roles = ["data_centre"]
important = true
interface = [
    { carrier = "telecom", ipv4 = "192.0.2.5", ipv6 = "2001:db8::5" },
    { carrier = "unicom", ipv4 = "192.0.2.6" },
]
[[site]]
name = "far"
city = "singapore"
roles = ["international_channel"]
interface = [{ carrier = "telecom", ipv4 = "192.0.2.2" }]
[[site]]
name = "plain"
city = "singapore"
roles = ["ordinary_internet"]
interface = [{ carrier = "telecom", ipv4 = "192.0.2.3" }]
[[mesh]]
name = "all"
stream = [{ protocol = "icmp" }]
"""


@pytest.fixture
def site_file(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "trial.toml"
    path.write_text(CHANNELS, encoding="utf-8")
    return path


@pytest.fixture
def measure(
    controller: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> Callable[..., Any]:
    ids = {stream.path.id: stream.stream_id for stream in controller.services.rounds.scope.streams}
    sequence = iter(range(10_000))

    async def run(
        path: str, *, rtt_ms: float, lost: int = 0, windows: int = 30, sent: int = 1000
    ) -> None:
        now_ns = controller.services.clock.wall_ns()
        for i in range(windows):
            rtt_ns = (rtt_ms + 0.01 * rtt_ms * (i % 3)) * MS
            batch = batch_of(
                [ids[path]],
                now_ns - (windows - i) * 10 * SECOND,
                sent=sent,
                lost=lost,
                rtt_ns=rtt_ns,
                forward_ns=None,
            )
            body = chunk_of(batch, agent="near", sequence=next(sequence))
            await controller.deliver("near", body)

    return run


DEDICATED, ORDINARY = "near.telecom.v4>far.telecom.v4", "near.telecom.v4>plain.telecom.v4"


async def verdict(controller: Any, target: str, path: str) -> Any:
    return (await controller.get(f"/api/v1/verdicts?target={target}&path={path}"))["items"][0]


async def test_channel_better_than_the_ordinary_path_passes(controller: Any, measure: Any) -> None:
    await measure(DEDICATED, rtt_ms=205.0, lost=8)
    await measure(ORDINARY, rtt_ms=263.0, lost=38)
    await controller.judge()
    delay = await verdict(controller, "jiangsu-channel-against-delay", DEDICATED)
    assert delay["verdict"] == "pass"
    assert (delay["unit"], delay["limit_ratio"]) == ("ratio", 1.0)
    assert delay["measured"] == pytest.approx(205 / 263, rel=1e-3)
    gap = delay["comparison"]["delay_difference_ns"]
    assert gap["measured"] == pytest.approx(-58.58e6)
    assert gap["low"] <= gap["measured"] <= gap["high"] < 0
    assert delay["comparison"]["windows"] == 30
    assert delay["comparison"]["other_path"] == ORDINARY
    assert "普通路径" in delay["reason"]["zh"]
    loss = await verdict(controller, "jiangsu-channel-against-loss", DEDICATED)
    assert loss["verdict"] == "pass"
    assert loss["low"] < 8 / 38 < loss["high"] < 1
    assert loss["comparison"]["loss_difference"]["measured"] == pytest.approx(-0.03)
    placed = await verdict(controller, "jiangsu-channel-loss", DEDICATED)
    assert placed["position"] == pytest.approx(0.024, abs=0.01)


async def test_channel_worse_than_the_ordinary_path_fails(controller: Any, measure: Any) -> None:
    await measure(DEDICATED, rtt_ms=280.0)
    await measure(ORDINARY, rtt_ms=263.0)
    await controller.judge()
    found = await verdict(controller, "jiangsu-channel-against-delay", DEDICATED)
    assert found["verdict"] == "fail"
    found = await verdict(controller, "jiangsu-channel-against-loss", DEDICATED)
    assert (found["verdict"], found["measured"]) == ("undecided", None)


@pytest.mark.parametrize(("sent", "expected"), [(100, "fail"), (1, "undecided")])
async def test_channel_that_is_down_is_slower_than_any_once_enough_probes_say_so(
    controller: Any, measure: Any, sent: int, expected: str
) -> None:
    await measure(DEDICATED, rtt_ms=205.0, lost=sent, sent=sent, windows=5)
    await measure(ORDINARY, rtt_ms=263.0, windows=5)
    await controller.judge()
    found = await verdict(controller, "jiangsu-channel-against-delay", DEDICATED)
    assert found["verdict"] == expected
    assert ("Most probes were lost" in found["reason"]["en"]) == (expected == "fail")


async def test_channel_without_measurement_beside_it_is_no_data(
    controller: Any, measure: Any
) -> None:
    await measure(DEDICATED, rtt_ms=200.0)
    await controller.judge()
    found = await verdict(controller, "jiangsu-channel-against-delay", DEDICATED)
    assert found["verdict"] == "no_data"
    assert "no common window" in found["reason"]["en"]


V4, V6 = "near.telecom.v4>suzhou.telecom.v4", "near.telecom.v6>suzhou.telecom.v6"


@pytest.mark.parametrize(
    ("rtt_ms", "lost", "expected"),
    [(4.0, 0, "pass"), (6.0, 0, "fail"), (4.0, 100, "fail"), (4.0, 1000, "fail")],
)
async def test_ipv6_is_no_worse_than_ipv4(
    controller: Any, measure: Any, rtt_ms: float, lost: int, expected: str
) -> None:
    await measure(V4, rtt_ms=4.0)
    await measure(V6, rtt_ms=rtt_ms, lost=lost)
    await controller.judge()
    found = await verdict(controller, "jiangsu-ipv6-parity", V6)
    assert found["verdict"] == expected, found
    assert found["comparison"]["other_path"] == V4


async def test_what_would_decide_a_comparison_is_told(controller: Any, measure: Any) -> None:
    for path in (V4, V6):
        await measure(path, rtt_ms=4.0, windows=6, sent=300)
    await controller.judge()
    little = await verdict(controller, "jiangsu-ipv6-parity", V6)
    gap = little["comparison"]["delay_difference_ns"]
    assert (little["verdict"], little["needed_probes"]) == ("undecided", None)
    assert (gap["low"], gap["high"]) == (None, None)  # six windows that differ bound no median
    for path in (V4, V6):
        await measure(path, rtt_ms=4.0, windows=15, sent=300)
    await controller.judge()
    few = await verdict(controller, "jiangsu-ipv6-parity", V6)
    assert few["verdict"] == "undecided"  # nothing lost of 6,300: up to 0.12 points more, perhaps
    more = round(few["needed_probes"] / 300)
    assert f"about {more} more windows would decide" in few["reason"]["en"]
    for path in (V4, V6):
        await measure(path, rtt_ms=4.0, windows=21 + more, sent=300)
    await controller.judge()
    await controller.judge()
    enough = await verdict(controller, "jiangsu-ipv6-parity", V6)
    assert (enough["verdict"], enough["needed_probes"]) == ("pass", None)


async def test_ipv6_path_that_was_not_measured_is_no_data(controller: Any, measure: Any) -> None:
    await measure(V4, rtt_ms=4.0)
    await controller.judge()
    silent = await verdict(controller, "jiangsu-ipv6-parity", V6)
    assert silent["verdict"] == "no_data"
    targets = {item["name"]: item for item in (await controller.get("/api/v1/targets"))["items"]}
    assert targets["jiangsu-ipv6-parity"]["paths"] == 2  # IPv4 alone is not bound, and counted
    assert targets["jiangsu-ipv6-parity"]["ipv4_alone"] == 2
    assert targets["jiangsu-channel-delay"]["ipv4_alone"] == 0
