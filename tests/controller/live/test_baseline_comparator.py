"""Baselines are sealed once, and improvements are judged against the newest."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from controller.commands.controller import controller as command
from controller.live.sealed_baselines import opened
from controller.store.engines import open_store, store_url
from controller.store.levels import Retention
from foundation.errors import RemoteProtocolError

HOUR = 3_600_000_000_000
PATH = "a.telecom.v4>b.unicom.v4"

SITES = """
[network]
name = "trial"
presets = ["hunan"]
[[target]]
name = "own-way"
title = "Delay from a to b: half"
source = { document = "ours" }
kind = "improvement"
limit_ratio = 0.5
statistic = "mean"
[[site]]
name = "a"
city = "changsha"
interface = [{ carrier = "telecom", address = "192.0.2.1" }]
[[site]]
name = "b"
city = "hengyang"
interface = [{ carrier = "unicom", address = "192.0.2.2" }]
[[mesh]]
name = "all"
stream = [{ protocol = "icmp" }]
"""


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    path = tmp_path / "trial.toml"
    path.write_text(SITES, encoding="utf-8")
    return path


@pytest.fixture
def measure(
    batch_of: Callable[..., Any], chunk_of: Callable[..., bytes], clock: Any
) -> Callable[..., Any]:
    sequence = iter(range(10_000))

    async def run(
        controller: Any, *, rtt_ms: float, lost: int, hours: int = 12, **one_way: Any
    ) -> None:
        """Measure two windows of each of the next hours."""
        ids = {
            stream.path.id: stream.stream_id for stream in controller.services.rounds.scope.streams
        }
        clock.now_ns -= clock.now_ns % HOUR
        for hour in range(hours):
            for window in range(2):
                batch = batch_of(
                    [ids[PATH]],
                    clock.now_ns + window * 10_000_000_000,
                    sent=1000,
                    lost=lost,
                    rtt_ns=rtt_ms * (1 + 0.02 * (hour % 3)) * 1e6,
                    **{"forward_ns": None} | one_way,
                )
                await controller.deliver("a", chunk_of(batch, agent="a", sequence=next(sequence)))
                clock.now_ns += 20_000_000_000
            clock.now_ns += HOUR - 40_000_000_000

    return run


async def seal(controller: Any, name: str, from_ns: int, to_ns: int, status: int = 200) -> Any:
    request = {"name": name, "from_ns": from_ns, "to_ns": to_ns}
    async with controller.session.post(
        "http://controller/api/v1/baselines", json=request
    ) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def verdict(controller: Any, target: str) -> Any:
    address = f"/api/v1/verdicts?target={target}&path={PATH}"
    return (await controller.get(address))["items"][0]


@pytest.mark.parametrize(
    ("rtt_ms", "lost", "delay", "loss"), [(3.0, 5, "pass", "pass"), (15.0, 40, "fail", "fail")]
)
async def test_improvement_is_judged_against_the_sealed_period(
    controller: Any, measure: Any, clock: Any, rtt_ms: float, lost: int, delay: str, loss: str
) -> None:
    start_ns = clock.now_ns - clock.now_ns % HOUR
    await measure(controller, rtt_ms=20.0, lost=40)
    await controller.judge()
    before = await verdict(controller, "hunan-delay")
    assert before["verdict"] == "no_data"
    assert "there is none yet" in before["reason"]["en"]
    sealed = await seal(controller, "before-point", start_ns, clock.now_ns)
    assert (sealed["paths"], sealed["hours"], sealed["used"]) == ([PATH], 12, True)
    clock.now_ns += (168 - 12) * HOUR
    await measure(controller, rtt_ms=rtt_ms, lost=lost)
    await controller.judge()
    found = await verdict(controller, "hunan-delay")
    assert found["verdict"] == delay
    assert (found["limit_ratio"], found["unit"]) == (pytest.approx(0.2), "ratio")
    assert found["measured"] == pytest.approx(rtt_ms / 20)
    assert "paired over 12 hours of the week" in found["reason"]["en"]
    assert "before-point" in found["reason"]["zh"]
    assert (await verdict(controller, "hunan-loss"))["verdict"] == loss


async def test_path_that_is_down_since_the_baseline_fails(
    controller: Any, measure: Any, clock: Any
) -> None:
    start_ns = clock.now_ns - clock.now_ns % HOUR
    await measure(controller, rtt_ms=20.0, lost=4, hours=6)
    await seal(controller, "alive", start_ns, clock.now_ns)
    clock.now_ns += (168 - 6) * HOUR
    await measure(controller, rtt_ms=20.0, lost=1000, hours=6)
    await controller.judge()
    found = await verdict(controller, "hunan-delay")
    assert (found["verdict"], found["measured"]) == ("fail", None)
    assert "12,000 of 12,000" in found["reason"]["en"]
    assert (await verdict(controller, "hunan-loss"))["verdict"] == "fail"


@pytest.mark.parametrize(
    ("bound_ns", "expected", "said"),
    [
        (1_000.0, "pass", "One-way delay 24.98–25.02 %"),
        (2_000_000.0, "undecided", "One-way delay"),
        (float("nan"), "undecided", "synchronised clocks"),
    ],
)
async def test_improvement_one_way_needs_clocks(
    controller: Any, measure: Any, clock: Any, bound_ns: float, expected: str, said: str
) -> None:
    start_ns = clock.now_ns - clock.now_ns % HOUR
    await measure(controller, rtt_ms=20.0, lost=4, forward_ns=8e6, clock_bound_ns=1_000.0)
    await seal(controller, "before", start_ns, clock.now_ns)
    clock.now_ns += (168 - 12) * HOUR
    await measure(controller, rtt_ms=12.0, lost=4, forward_ns=2e6, clock_bound_ns=bound_ns)
    await controller.judge()
    found = await verdict(controller, "own-way")
    assert (found["verdict"], found["direction"]) == (expected, "one_way")
    assert said in found["reason"]["en"]
    # The round trip tells 0.6 of the way, and of itself would not pass.
    assert (await verdict(controller, "hunan-delay"))["verdict"] == "fail"


async def test_other_hours_than_those_sealed_are_no_data(
    controller: Any, measure: Any, clock: Any
) -> None:
    start_ns = clock.now_ns - clock.now_ns % HOUR
    await measure(controller, rtt_ms=20.0, lost=40)
    await seal(controller, "night", start_ns, clock.now_ns)
    await measure(controller, rtt_ms=2.0, lost=0)
    await controller.judge()
    found = await verdict(controller, "hunan-delay")
    assert found["verdict"] == "no_data"
    assert "no hour of the week in common" in found["reason"]["en"]


async def test_baseline_is_sealed_once_and_survives_a_restart(
    open_controller: Callable[[], Any], measure: Any, clock: Any
) -> None:
    start_ns = clock.now_ns - clock.now_ns % HOUR
    async with open_controller() as first:
        await measure(first, rtt_ms=20.0, lost=4)
        sealed = await seal(first, "b", start_ns, clock.now_ns)
        error = await seal(first, "b", start_ns, clock.now_ns, 409)
        assert error["error"]["code"] == "already_sealed"
    async with open_controller() as second:
        assert (await second.get("/api/v1/baselines"))["items"] == [sealed]
        clock.now_ns += (168 - 12) * HOUR
        await measure(second, rtt_ms=3.0, lost=0)
        await second.judge()
        assert (await verdict(second, "hunan-delay"))["verdict"] == "pass"


def figures_of(said: dict[str, Any]) -> dict[str, Any]:
    return {name: said[name] for name in ("measured", "low", "high", "verdict", "pending", "sent")}


@pytest.mark.parametrize("merged", [False, True])
async def test_week_is_read_back_from_merged_hours_where_there_are_any(
    open_controller: Callable[[], Any], measure: Any, clock: Any, tmp_path: Path, merged: bool
) -> None:
    start_ns = clock.now_ns - clock.now_ns % HOUR
    async with open_controller() as first:
        await measure(first, rtt_ms=20.0, lost=4)
        await seal(first, "b", start_ns, clock.now_ns)
        clock.now_ns += (168 - 12) * HOUR
        await measure(first, rtt_ms=3.0, lost=3)
        await first.judge()
        shown = figures_of(await verdict(first, "hunan-delay"))
        assert shown["verdict"] == "pass"
        for later in (1, 2) if merged else ():  # minutes, and an hour later their hours
            while first.services.store.rollups.roll_up(clock.now_ns + later * HOUR, 1000):
                pass
    if merged:  # windows are needed only of the hour that is still being judged by itself
        store = open_store(store_url(tmp_path / "life"), retention=Retention(window_days=1))
        as_of_ns = clock.now_ns
        while (store.windows.oldest_ns() or as_of_ns) < clock.now_ns - HOUR:
            as_of_ns += HOUR
            while store.rollups.expire(as_of_ns):
                pass
        store.close()
    async with open_controller() as second:
        await second.judge()
        assert figures_of(await verdict(second, "hunan-delay")) == shown


@pytest.mark.parametrize(
    ("from_ns", "to_ns", "code"),
    [(0, 1, "nothing_to_seal"), (5, 4, "nothing_to_seal"), (0, 2**62, "nothing_to_seal")],
)
async def test_nothing_and_the_future_cannot_be_sealed(
    controller: Any, from_ns: int, to_ns: int, code: str
) -> None:
    error = await seal(controller, "b", from_ns, to_ns, 422)
    assert error["error"]["code"] == code
    assert error["error"]["message"]["zh"]


async def test_misspelt_request_is_refused(controller: Any) -> None:
    assert (await seal(controller, "Not a name", 0, 1, 400))["error"]["code"] == "bad_body"


async def test_baseline_that_was_changed_is_not_used(
    controller: Any, measure: Any, clock: Any
) -> None:
    start_ns = clock.now_ns - clock.now_ns % HOUR
    await measure(controller, rtt_ms=20.0, lost=4, hours=1)
    await seal(controller, "b", start_ns, clock.now_ns)
    record = controller.services.store.baselines.all()[0]
    assert len(opened(record).record.digest) == 64
    for content in (b"", record.content[:-1], record.content[:20] + b"x" + record.content[21:]):
        with pytest.raises(RemoteProtocolError):
            opened(replace(record, content=content))


async def test_changed_baseline_is_said_and_no_older_one_takes_its_place(
    open_controller: Any, measure: Any, clock: Any
) -> None:
    begun_ns = clock.now_ns - clock.now_ns % HOUR
    async with open_controller() as first:
        await measure(first, rtt_ms=20.0, lost=4, hours=1)
        await seal(first, "older", begun_ns, clock.now_ns)
        baselines = first.services.store.baselines
        older = baselines.all()[0]
        turned = older.content[:40] + bytes([older.content[40] ^ 1]) + older.content[41:]
        newer = replace(older, name="newer", sealed_ns=older.sealed_ns + 1, content=turned)
        assert baselines.put(newer).result()
    async with open_controller() as again:
        await again.judge()
        found = (await again.get("/api/v1/verdicts?target=hunan-delay"))["items"][0]
        assert found["verdict"] == "no_data"
        assert "newer is not what was sealed" in found["reason"]["en"]
        assert any(
            "newer" in each["en"] for each in (await again.get("/api/v1/health"))["warnings"]
        )


def test_command_names_a_controller_that_does_not_answer():
    arguments = ["baseline", "list", "--url", "unix:/nowhere.sock"]
    result = CliRunner().invoke(command, arguments)
    assert "does not answer" in str(result.exception)
