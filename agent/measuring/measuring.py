"""The engine and the reflector under the plan of the moment: started, updated, kept running."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from agent.conditions import Conditions
from agent.measuring.engine_conditions import (
    RefusalLog,
    broke,
    nonconforming_replies,
    refusals,
    waiting_for_keys,
)
from agent.measuring.local_addresses import LocalAddresses
from agent.measuring.plan_versions import PlanVersions
from agent.measuring.reflecting import Reflecting
from agent.measuring.shortfalls import Shortfalls
from agent.measuring.unanswered_journal import Silence, UnansweredJournal
from agent.policy.enforcement import Granted, grant, summary_of
from agent.policy.policy import Policy
from agent.spool.sent_counters import SentCounters
from foundation.clock import Clock
from foundation.condition import Condition
from foundation.errors import IsochroneError
from foundation.text import language_of_environment
from messages.exchange import Curtailed, Plan, StampKeys
from messages.sections.windows import WINDOWS
from probes.channels.opening import load_openers
from probes.engine.engine import Engine
from probes.engine.report import EngineHealth, Tally
from probes.sockets.routes import RouteWatch
from probes.stream import StreamSpec
from probes.window import WindowBatch

if TYPE_CHECKING:
    from probes.reflector.counters import ReflectorCounters

LOOK_EVERY_S = 2.0
_RETRY_LOOKS = 5  # a reflector or engine that failed is tried again after so many looks
_LOG = logging.getLogger("isochrone.agent")


class Measuring:
    """Runs what the last plan says. `on_windows(batch, plan_version)` is called on the engine's
    thread. All blocking calls are made on worker threads, one at a time. `sent_counters` counts
    what is sent; `local_addresses` are the owner's; `settle` is awaited when an engine has broken,
    whose open windows are lost.
    """

    def __init__(
        self,
        *,
        on_windows: Callable[[WindowBatch, int], None],
        clock: Clock,
        own_clock_bound_ns: Callable[[], float],
        timestamp_shift_ns: int,
        conditions: Conditions,
        policy: Policy,
        sent_counters: SentCounters,
        settle: Callable[[], Awaitable[None]],
        journal: UnansweredJournal,
        local_addresses: Mapping[str, str] | None = None,
    ) -> None:
        self._own_addresses = local_addresses or {}
        self._local = LocalAddresses(self._own_addresses)
        self._sent_counters, self._settle, self._journal = sent_counters, settle, journal
        self._looked_ns = clock.wall_ns()
        self.shortfalls = Shortfalls()
        self._policy = policy
        self._quiet = False
        self._on_windows = on_windows
        self._clock = clock
        self._own_clock_bound_ns = own_clock_bound_ns
        self._timestamp_shift_ns = timestamp_shift_ns
        self._conditions = conditions
        self._engine: Engine | None = None
        self._reflecting = Reflecting(
            clock=clock,
            own_clock_bound_ns=own_clock_bound_ns,
            timestamp_shift_ns=timestamp_shift_ns,
            conditions=conditions,
        )
        self._versions = PlanVersions()
        self._changing = asyncio.Lock()
        self.plan: Plan | None = None
        self.keys: StampKeys | None = None
        self.granted = Granted((), ())  # what the owner's policy leaves of the plan
        self._routes: RouteWatch | None = None  # while `run` does
        load_openers()
        self._refusal_log = RefusalLog(_LOG)
        self._sent = self._received = 0  # by engines that no longer exist

    async def apply(self, plan: Plan, keys: StampKeys | None) -> None:
        """Make `plan` the one that runs, under these keys; unchanged streams continue undisturbed.

        Authenticated streams without a key wait for it.
        """
        async with self._changing:
            before, self.plan, self.keys = self.plan, plan, keys
            self._local = LocalAddresses(self._own_addresses, plan)
            self._versions.begin(plan.version, self._clock.monotonic_ns())
            if before is not None and before.window_ms != plan.window_ms:
                await self._stop_engine(wait_for_replies=True)
            await self._run_what_is_granted(plan)

    def note_absence(self, places: Iterable[tuple[str, int]]) -> None:
        """Note that nothing has been answered at these places since this agent was last alive."""
        if self._sent_counters.was_alive_ns:
            alive_ns, stopped = self._sent_counters.was_alive_ns, self._sent_counters.was_clean
            self._journal.resume(places, alive_ns, stopped=stopped)

    async def obey(self, policy: Policy) -> None:
        """Let another policy of the owner hold from now on."""
        async with self._changing:
            self._policy = policy
            if self.plan is not None:
                await self._run_what_is_granted(self.plan)

    def curtailed(self) -> Curtailed | None:
        """Return what is taken from the present plan and who is not answered, None without one."""
        if self.plan is None:
            return None
        return Curtailed(
            plan_version=self.plan.version,
            streams=self.granted.curtailed,
            unanswered=self._journal.entries(),
        )

    def shift_timestamps(self, shift_ns: int) -> None:
        """Let all timestamps be shifted from now on, as a wrong clock would (laboratories)."""
        if shift_ns == self._timestamp_shift_ns:
            return
        self._timestamp_shift_ns = shift_ns
        if self._engine is not None:
            self._engine.scale.inject_step(self._clock.wall_ns(), shift_ns)
        self._reflecting.shift_timestamps(shift_ns)

    async def _run_what_is_granted(self, plan: Plan) -> None:
        began_ns = self._clock.wall_ns()
        self._quiet = self._policy.is_quiet(began_ns)
        before, self.granted = self.granted, grant(self._policy, plan, quiet=self._quiet)
        if self.granted.by_rule != before.by_rule:
            summary = summary_of(plan, self.granted).pick(language_of_environment())
            _LOG.warning("%s", summary)
        asked, limits = self.granted.reflectors, self._policy.config.reflector
        await self._reflecting.run(asked, self._local, self.keys, limits)
        self._note_silence(began_ns)
        await self._run_engine(plan.window_ms)

    async def run(self) -> None:
        """Keep what should run running, for ever."""
        looks = 0
        with contextlib.closing(RouteWatch()) as self._routes:
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                looks += 1
                async with self._changing:
                    await self._look(retry=looks % _RETRY_LOOKS == 0)

    async def stop(self) -> None:
        """Stop probing, wait for probes in flight, hand out the last windows, stop reflecting."""
        async with self._changing:
            await self._stop_engine(wait_for_replies=True)
            began_ns = self._clock.wall_ns()
            places = await self._reflecting.stop()
            if places is not None:
                silences = [Silence(s.address, s.port, "agent.stopped") for s in places]
                self._journal.note(silences, began_ns)
            self._sent_counters.alive(self._clock.wall_ns())

    def lives(self) -> bool:
        """Tell whether the engine, if there is one, still ticks."""
        return self._engine is None or not self._engine.stands_still()

    def engine_health(self) -> EngineHealth | None:
        """Return the engine's health; None while there is no engine."""
        return self._engine.health() if self._engine is not None else None

    def reflector_counters(self) -> ReflectorCounters | None:
        """Return the reflector's counters; None while there is no reflector."""
        return self._reflecting.counters()

    @property
    def answered_epoch(self) -> int | None:
        """Return the epoch of the keys that the reflector answers to."""
        return self._reflecting.answered_epoch

    def probes(self) -> tuple[int, int]:
        """Return probes (sent, received) since the agent started, over all its engines."""
        health = self.engine_health()
        if health is None:
            return self._sent, self._received
        return self._sent + health.probes_sent, self._received + health.probes_received

    def conditions(self) -> tuple[Condition, ...]:
        """Return what the engine has to report about single streams and of their reflectors."""
        if self._engine is None:
            return ()
        odd = nonconforming_replies(self._engine.nonconforming_replies())
        refused = refusals(self._engine.health().refused)
        return (*refused, *([] if odd is None else [odd]))

    async def _look(self, *, retry: bool) -> None:
        plan, now_ns = self.plan, self._clock.wall_ns()
        self._sent_counters.alive(now_ns)
        if plan is None:
            return
        if self._policy.is_quiet(self._clock.wall_ns()) != self._quiet:
            await self._run_what_is_granted(plan)
        streams = self._streams()
        if self._engine is not None and _has_ended(self._engine) and streams:
            await self._stop_engine(wait_for_replies=False)
            await self._run_engine(plan.window_ms)
        if retry and self._engine is None and streams:
            await self._run_engine(plan.window_ms)
        changed = self._routes is not None and self._routes.changed()
        await self._reflecting.look(retry=retry, changed=changed)
        health = self.engine_health()
        self._refusal_log.tell({} if health is None else health.refused)
        self._note_silence(self._looked_ns)

    def _note_silence(self, began_ns: int) -> None:
        """Note in the journal whom the reflector does not answer now."""
        self._journal.note([*self.granted.silent, *self._reflecting.not_answered()], began_ns)
        self._looked_ns = self._clock.wall_ns()

    def _streams(self) -> list[StreamSpec]:
        """Return the streams that can run now, by number; say how many wait for a key."""
        probing = {} if self.keys is None else self.keys.probing
        streams = [
            spec
            for spec in self.granted.streams
            if not spec.type_p.authenticated or spec.destination in probing
        ]
        waiting = len(self.granted.streams) - len(streams)
        if waiting:
            self._conditions.begin("stamp_keys", "info", waiting_for_keys(waiting))
        else:
            self._conditions.end("stamp_keys")
        return sorted(self._local.streams(streams), key=lambda spec: spec.stream_id)

    async def _run_engine(self, window_ms: int) -> None:
        streams = self._streams()
        probing = {} if self.keys is None else self.keys.probing
        if not streams:
            await self._stop_engine(wait_for_replies=True)
            return
        try:
            if self._engine is not None:
                self._engine.update(streams, probing)
                return
            engine = Engine(
                streams,
                window_ns=window_ms * 1_000_000,
                on_windows=self._hand_over,
                clock=self._clock,
                own_clock_bound_ns=self._own_clock_bound_ns,
                timestamp_shift_ns=self._timestamp_shift_ns,
                stamp_keys=probing,
                tally=Tally(place=self._sent_counters.sent_place),
            )
            await asyncio.to_thread(engine.start)
        except IsochroneError as error:
            self._conditions.begin("engine", "error", error.text)
            return
        self._engine = engine
        self._conditions.end("engine")

    async def _stop_engine(self, *, wait_for_replies: bool) -> None:
        engine, self._engine = self._engine, None
        if engine is None:
            return
        try:
            await asyncio.to_thread(engine.stop, wait_for_replies=wait_for_replies)
        except RuntimeError as error:
            _LOG.error("the probe engine broke", exc_info=error)
            self._conditions.begin("engine_broke", "error", broke(error))
            await self._settle()  # before another engine counts on
        health = engine.health()
        self._sent += health.probes_sent
        self._received += health.probes_received

    def _hand_over(self, batch: WindowBatch) -> None:
        """Pass windows on with the version of the plan that was in force when they ended."""
        self._sent_counters.add(WINDOWS, batch.rows)
        self.shortfalls.take(batch)
        assert batch.ended_ns is not None
        self._on_windows(batch, self._versions.in_force(batch.ended_ns))


def _has_ended(engine: Engine) -> bool:
    try:
        return engine.wait_until_finished(0.0)
    except RuntimeError:  # it broke; stopping it reports that
        return True
