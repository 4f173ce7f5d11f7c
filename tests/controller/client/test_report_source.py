"""What a report is read from: everything of one controller, once what was measured is judged."""

import pathlib
from types import SimpleNamespace

import pytest

from controller.client.calls import SilentControllerError
from controller.client.link import ControllerAddress
from controller.client.report_source import ApiSource
from controller.reports.answers import answers_of
from tests.controller.conftest import Controller


@pytest.fixture
def source(controller: Controller, tmp_path: pathlib.Path) -> ApiSource:
    return ApiSource(ControllerAddress(f"unix:{tmp_path / 'api.sock'}"))


async def test_answers_are_those_that_the_controllers_own_reports_are_made_of(
    measured: Controller, source: ApiSource
) -> None:
    await measured.judge()
    services = measured.services
    now = services.readings.snapshots.now()
    tally = await services.readings.accounts.tally(now)
    whole = tally.account(now.round.data_from_ns, now.round.data_to_ns, now.scope.window_ns)
    wanted = answers_of(now, services.store.state(), whole)
    async with source:
        found = await source.answers()
    assert len(found.paths) > 0
    assert len(found.remediations) > 0
    for part in ("targets", "groups", "sites", "agents", "paths", "verdicts", "remediations"):
        assert getattr(found, part) == getattr(wanted, part), part
    assert found.account == wanted.account
    assert found.health.judged_ns == wanted.health.judged_ns


async def test_the_account_is_of_the_targets_that_are_asked_for(
    measured: Controller, source: ApiSource
) -> None:
    await measured.judge()
    async with source:
        whole = (await source.answers(["not there"])).account
        part = (await source.answers(["jiangsu-ipv6-parity", "not there"])).account
    assert whole is not None
    assert part is not None
    assert (whole.due, part.due) == (90, 30)  # of three streams, and of the one over IPv6


async def test_what_is_too_much_to_count_is_absent_and_costs_no_report(
    measured: Controller, source: ApiSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    await measured.judge()
    monkeypatch.setattr("controller.api.routes.windows.MAX_JUDGED_WINDOWS", 0)
    async with source:
        found = await source.answers()
    assert found.account is None
    assert len(found.paths) > 0


async def test_a_controller_that_does_not_answer_is_told(tmp_path: pathlib.Path) -> None:
    async with ApiSource(ControllerAddress(f"unix:{tmp_path / 'nobody.sock'}")) as source:
        with pytest.raises(SilentControllerError, match="does not answer"):
            await source.health()


class Pauses:
    """Stands for the waiting of a second: in each the controller judges, from the `first` on."""

    def __init__(self, controller: Controller, first: int) -> None:
        self.controller, self.first, self.count = controller, first, 0

    async def sleep(self, _seconds: float) -> None:
        self.count += 1
        if self.count >= self.first:
            self.controller.services.clock.now_ns += 1_000_000_000
            await self.controller.judge()


@pytest.mark.parametrize("first", [1, 3])
async def test_verdicts_are_waited_for_until_a_second_round_confirms_them(
    measured: Controller, source: ApiSource, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    await measured.judge()
    pauses = Pauses(measured, first)
    monkeypatch.setattr(
        "controller.client.report_source.asyncio", SimpleNamespace(sleep=pauses.sleep)
    )
    async with source:
        before = await source.health()
        health = await source.wait_judged_after(before.now_ns + 1, 10.0)
    assert health.revision == before.revision + 2
    assert pauses.count == first + 1


async def test_patience_ends_with_what_there_is(
    measured: Controller, source: ApiSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = Pauses(measured, first=99)
    monkeypatch.setattr(
        "controller.client.report_source.asyncio", SimpleNamespace(sleep=pauses.sleep)
    )
    async with source:
        health = await source.wait_judged_after(0, 5.0)
    assert health.judged_ns is None
    assert pauses.count == 5
