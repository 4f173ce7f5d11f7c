"""A snapshot is how everything was at one moment, and stays so."""

from typing import Any, get_args

from controller.store.records import CampaignState
from messages.exchange import Health

SECOND = 1_000_000_000


async def test_a_snapshot_does_not_change_with_what_happens_after_it(
    controller: Any, deliver: Any, clock: Any
) -> None:
    services = controller.services
    await deliver()
    await controller.judge()
    before = services.readings.snapshots.now()
    then = before.round.judgements.verdict.copy(), before.agent_states(), before.round.revision
    assert before.agent_states()["nanjing"] == "ok"
    clock.now_ns += 600 * SECOND
    await controller.judge()
    after = services.readings.snapshots.now()
    assert after.agent_states()["nanjing"] == "agent_down"
    assert after.round.revision > before.round.revision
    assert (before.round.judgements.verdict == then[0]).all()
    assert (before.agent_states(), before.round.revision) == then[1:]


async def test_the_latest_snapshot_is_the_one_that_was_published(
    controller: Any, deliver: Any, clock: Any
) -> None:
    snapshots = controller.services.readings.snapshots
    await deliver()
    clock.now_ns += SECOND
    assert snapshots.latest.at_ns < snapshots.now().at_ns
    await snapshots.publish()
    assert snapshots.latest.at_ns == clock.now_ns


async def test_states_of_a_snapshot_are_those_of_its_agents_paths_and_streams(
    controller: Any, deliver: Any
) -> None:
    await deliver()
    await controller.judge()
    snapshot = controller.services.readings.snapshots.now()
    states = snapshot.states()
    assert states.agents == snapshot.agent_states()
    assert len(states.streams) == len(snapshot.scope.streams)
    assert len(states.paths) == len(snapshot.scope.catalogue.paths)
    assert len(states.agent_codes()) == len(states.agents)


async def test_states_that_no_campaign_is_in_are_counted_too(controller: Any) -> None:
    counts = controller.services.readings.snapshots.now().campaign_counts()
    assert counts == dict.fromkeys(get_args(CampaignState), 0)


async def test_a_clock_that_all_agents_contradict_is_doubted(controller: Any, clock: Any) -> None:
    def tell(off_ns: int) -> None:
        for name in ("nanjing", "suzhou"):
            sent_ns = clock.now_ns + off_ns
            controller.services.fleet.heard(
                name, Health(version="0", boot="b", started_ns=0, sent_ns=sent_ns)
            )

    tell(0)
    assert controller.services.readings.snapshots.now().clock_doubt() is None
    tell(86_400 * SECOND)
    doubt = controller.services.readings.snapshots.now().clock_doubt()
    assert doubt is not None
    assert doubt.zh
