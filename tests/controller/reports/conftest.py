"""A campaign that was measured: fast while it ran, slow before and after."""

from collections.abc import Awaitable, Callable

import pytest

from controller.store.records import CampaignRecord
from tests.controller.campaigns.campaign_calls import PAIR, SECOND_NS, asked, post
from tests.controller.conftest import Controller, SetClock, batch_of, chunk_of

FAST_NS, SLOW_NS = 900_000.0, 40_000_000.0
SENT = 200  # in each window of the one stream
MESH = PAIR | {"stream": [{"protocol": "icmp", "interval_ms": 50}]}
Measure = Callable[..., Awaitable[CampaignRecord]]


@pytest.fixture
def measure(controller: Controller, clock: SetClock) -> Measure:
    """Return what lets a campaign of 60 s be measured, and returns its record once it is over."""
    services = controller.services
    number = 0

    async def deliver(ids: list[int], rtt_ns: float) -> None:
        nonlocal number
        batch = batch_of(ids, clock.now_ns, sent=SENT, rtt_ns=rtt_ns, forward_ns=rtt_ns / 2)
        clock.now_ns += 10 * SECOND_NS
        await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=number))
        number += 1

    async def measured(name: str = "voice", **more: object) -> CampaignRecord:
        await post(
            controller, asked(name, begin_ns=clock.now_ns + 10 * SECOND_NS, mesh=[MESH]) | more
        )
        (stream,) = services.campaigns.streams_of(
            services.rounds.scope.network, services.campaigns.records[name]
        )
        await deliver([stream.stream_id], SLOW_NS)
        await services.scheduler.look()
        for _ in range(6):
            await deliver([stream.stream_id], FAST_NS)
        await services.scheduler.look()
        await deliver([stream.stream_id], SLOW_NS)
        return services.campaigns.records[name]

    return measured
