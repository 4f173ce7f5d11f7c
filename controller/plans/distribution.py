"""The plans in force, with their keys: numbered, signed, pushed; never with a number an agent has
gone beyond.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping

import msgspec

from controller.access.certificate_authority import Authority
from controller.access.stamp_keyring import StampKeyring
from controller.events.bus import EventBus
from controller.events.event_types import PlanChanged
from controller.plans.channels import Channel, Channels
from controller.plans.planner import make_plans, numbered
from controller.store.interface import Store
from controller.store.records import PlanRecord
from foundation.clock import Clock
from foundation.token_buckets import Buckets
from messages.enrolment import plan_message
from messages.exchange import Plan, PlanPush, StampKeys
from topology.model import PlannedStream
from topology.network import Network

PUSH_LIMIT_S = 5.0
MOST_LOST = 1 << 20  # versions that a restored backup may not know
MAX_VERSION = 1 << 53  # beyond this JSON numbers are no longer exact everywhere
RENUMBERED_AGAIN_S, RENUMBERINGS = 600.0, 3  # of one agent
logger = logging.getLogger("isochrone.controller")


class PlanDistribution:
    """What each agent has to do: `plans` by agent, replaced and never changed in place.

    `changing` is held by whoever changes plans and their versions. On the event loop alone.
    """

    def __init__(
        self,
        network: Network,
        plans: Mapping[str, Plan],
        *,
        window_ms: int,
        store: Store,
        channels: Channels,
        stamp_keyring: StampKeyring,
        authority: Authority | None,
        clock: Clock,
        bus: EventBus,
    ) -> None:
        self.plans, self._bus = plans, bus
        self.changing = asyncio.Lock()
        self._network, self._window_ms = network, window_ms
        self._owners = owners(network)
        self._store, self._channels, self._clock = store, channels, clock
        self._stamp_keyring, self.authority = stamp_keyring, authority
        self._renumberings = Buckets(clock, rate=1 / RENUMBERED_AGAIN_S, burst=RENUMBERINGS)

    def message(self, name: str) -> str:
        """Return the message that gives agent `name` its plan and the keys that go with it."""
        plan = self.plans[name]
        keys = keys_of(plan, self._owners, self._stamp_keyring)
        signature = ""
        if self.authority is not None:
            # msgspec writes a struct inside another as it writes it alone: these bytes are pushed.
            keys_json = msgspec.json.encode(keys) if isinstance(keys, StampKeys) else b""
            signature = self.authority.sign_plan(plan_message(msgspec.json.encode(plan), keys_json))
        living = self._channels.living(name)
        push = PlanPush(
            plan=plan, keys=keys, signature=signature, claim="" if living is None else living.claim
        )
        return msgspec.json.encode(push).decode()

    async def push(self, names: Iterable[str]) -> None:
        """Give these agents their plans, as far as they listen now; others ask when they are back.

        Who cannot be reached tells its version with its next health report, and is answered by it.
        """
        async with asyncio.TaskGroup() as tasks:
            for name in names:
                channel = self._channels.living(name)
                if channel is not None and channel.link.is_let_in():
                    tasks.create_task(_push(channel, self.message(name)), name=f"push {name}")

    async def renumber(self, streams: tuple[PlannedStream, ...]) -> list[str]:
        """Plan these streams; return the agents whose plans are new. The caller holds `changing`.

        Raises ResourceError where nothing can be stored; then nothing has changed.
        """
        plans = await asyncio.to_thread(
            plans_of, self._network, streams, self._window_ms, self._store, self._clock.wall_ns()
        )
        changed = [name for name, plan in plans.items() if plan.version != self.plans[name].version]
        self.plans = plans
        self._announce(changed)
        return changed

    async def outnumber(self, name: str, running: int | None) -> None:
        """Give the plan a higher number if the agent runs a higher one than we know of; committed.

        That is so after our data was restored from a backup; the agent would refuse older plans.
        """
        version = self.plans[name].version
        if running is None or not version < running < min(MAX_VERSION, version + MOST_LOST):
            return
        if self._renumberings.wait_s(name) > 0:
            logger.warning(
                "%s runs plan %d, ours is %d; that is said too often", name, running, version
            )
            return
        async with self.changing:
            await self._outnumber(name, running)

    async def _outnumber(self, name: str, running: int) -> None:
        plan = self.plans[name]
        if plan.version >= running:
            return
        logger.warning("%s runs plan %d, ours is %d: numbered again", name, running, plan.version)
        content = msgspec.json.encode(msgspec.structs.replace(plan, version=0))
        record = PlanRecord(agent=name, version=running + 1, content=content)
        await asyncio.wrap_future(self._store.plans.put([record], self._clock.wall_ns()))
        self.plans = {**self.plans, name: msgspec.structs.replace(plan, version=running + 1)}
        self._announce([name])

    def _announce(self, names: Iterable[str]) -> None:
        now_ns = self._clock.wall_ns()
        self._bus.publish(
            [
                PlanChanged(at_ns=now_ns, agent=name, version=self.plans[name].version)
                for name in names
            ]
        )


def plans_of(
    network: Network,
    streams: tuple[PlannedStream, ...],
    window_ms: int,
    store: Store,
    now_ns: int,
) -> dict[str, Plan]:
    """Return every agent's plan with its version, committed. Blocks."""
    return numbered(make_plans(network, streams, window_ms), store, now_ns)


async def _push(channel: Channel, message: str) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):
        async with asyncio.timeout(PUSH_LIMIT_S):
            await channel.link.send(message)


def owners(network: Network) -> dict[str, str]:
    """Return the agent behind each address."""
    return {
        interface.address: site.name
        for site in network.sites.values()
        if not site.external
        for interface in site.interfaces
    }


def keys_of(
    plan: Plan, owner: Mapping[str, str], keyring: StampKeyring
) -> StampKeys | msgspec.UnsetType:
    """Return the keys of a plan; UNSET where nothing of it is authenticated.

    A destination whose agent does not answer to a key yet has none.
    """
    destinations = {spec.destination for spec in plan.streams if spec.type_p.authenticated}
    sources = {peer for spec in plan.reflectors for peer in spec.authenticated or ()}
    if not destinations and not sources:
        return msgspec.UNSET
    epoch, agent = keyring.current(), plan.agent
    probing = {place: keyring.probing(agent, owner[place]) for place in sorted(destinations)}
    return StampKeys(
        epoch=epoch,
        probing={place: key for place, key in probing.items() if key is not None},
        answering={place: keyring.answering(owner[place], agent) for place in sorted(sources)},
    )
