"""What a report is made of, from a snapshot: all there is, and every probe of the period."""

import numpy as np

from controller.reports.answers import answers_of
from tests.controller.conftest import WINDOW_NS, Controller, SetClock, batch_of, chunk_of


async def test_a_snapshot_answers_with_all_there_is(measured: Controller) -> None:
    await measured.judge()
    now = measured.services.readings.snapshots.now()
    found = answers_of(now, measured.services.store.state(), None)
    assert found.account is None
    assert found.health.judged_ns == now.at_ns
    assert {site.name for site in found.sites} == {"nanjing", "suzhou", "router"}
    assert {agent.name: agent.windows_stored for agent in found.agents} == {
        "nanjing": 9,
        "suzhou": 0,
    }
    assert [path.id for path in found.paths] == [path.id for path in now.scope.catalogue.paths]
    assert len(found.verdicts) == len(now.scope.demands)
    assert [target.name for target in found.targets] == [
        target.name for target in now.scope.network.targets
    ]


async def test_what_to_fix_is_of_groups_and_of_targets_that_are_in_none(
    measured: Controller,
) -> None:
    """Of a circle alone nothing is told: its goal is that of all three together."""
    await measured.judge()
    now = measured.services.readings.snapshots.now()
    found = answers_of(now, measured.services.store.state(), None)
    circle = next(target for target in found.targets if target.name == "jiangsu-circle-5")
    assert circle.goals
    assert circle.paths
    assert list(found.remediations) == ["jiangsu-circles"]
    assert found.remediations["jiangsu-circles"].total == found.groups[0].pairs


async def test_an_account_counts_the_judged_period_and_no_other(
    controller: Controller, clock: SetClock
) -> None:
    services = controller.services
    ids = [s.stream_id for s in services.rounds.scope.streams if s.path.source.site == "nanjing"]
    period_ns = services.readings.snapshots.now().judge_period_ns
    for number, ago_ns in enumerate((period_ns + 2 * WINDOW_NS, 2 * WINDOW_NS, WINDOW_NS)):
        batch = batch_of(ids, clock.now_ns - ago_ns, sent=10, lost=number)
        await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=number))
    await controller.judge()
    now = services.readings.snapshots.now()
    tally = await services.readings.accounts.tally(now)
    found = tally.account(now.round.data_from_ns, now.round.data_to_ns, now.scope.window_ns)
    assert (found.judged, found.lost) == (20 * len(ids), 3 * len(ids))
    assert found.due == found.judged + sum(
        getattr(found.excluded, cause) for cause in found.excluded.__struct_fields__
    )


async def test_what_windows_lack_of_what_the_plan_asks_for_is_missing(
    controller: Controller, clock: SetClock
) -> None:
    services = controller.services
    (stream, *_) = services.rounds.scope.streams
    asked = round(WINDOW_NS / 1e6 / stream.interval_ms)
    batch = batch_of([stream.stream_id], clock.now_ns, sent=asked - 6)
    clock.now_ns += WINDOW_NS
    await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=0))
    await controller.judge()
    now = services.readings.snapshots.now()
    tally = await services.readings.accounts.tally(now)
    first = np.arange(len(now.scope.streams)) == 0
    found = tally.account(clock.now_ns - WINDOW_NS, clock.now_ns, now.scope.window_ns, first)
    assert (found.due, found.judged, found.excluded.missing) == (asked, asked - 6, 6)
