"""The reflector under the plan of the moment: where it answers, under which keys, and where not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from agent.conditions import Conditions
from agent.measuring.local_addresses import LocalAddresses
from agent.measuring.unanswered_journal import Silence
from foundation.clock import Clock
from foundation.errors import IsochroneError
from foundation.text import Text
from messages.exchange import StampKeys
from probes.reflector.spec import ReflectorSpec

if TYPE_CHECKING:
    from agent.policy.policy import ReflectorPolicyConfig
    from probes.reflector.counters import ReflectorCounters
    from probes.reflector.reflector import Reflector

LIMITED_NS = 10_000_000_000  # a limit that was reached is told of for so long
_MOST_TOLD = 50  # places, one by one
_Places = tuple[tuple[ReflectorSpec, ...], dict[str, tuple[bytes, ...]]]


class Reflecting:
    """Runs the reflector that the plan asks for; none before one is requested.

    Plans name places by their public addresses, `local` has those that sockets are bound to.
    Blocking calls are made on worker threads; the caller makes them one at a time.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        own_clock_bound_ns: Callable[[], float],
        timestamp_shift_ns: int,
        conditions: Conditions,
    ) -> None:
        self._clock = clock
        self._own_clock_bound_ns = own_clock_bound_ns
        self._timestamp_shift_ns = timestamp_shift_ns
        self._conditions = conditions
        self._limits: ReflectorPolicyConfig
        self._reflector: Reflector | None = None
        self._asked: Sequence[ReflectorSpec] = ()  # as the plan names them
        self._local = LocalAddresses({})
        self._keys: StampKeys | None = None
        self._reflected: _Places = (), {}
        self._refused_places: tuple[Text, ...] = ()
        self._limited, self._limited_ns = 0, 0  # requests over a limit, and until when it counts
        self.answered_epoch: int | None = None  # of the keys that it answers to

    def counters(self) -> ReflectorCounters | None:
        """Return the reflector's counters; None while there is no reflector."""
        return self._reflector.counters() if self._reflector is not None else None

    def shift_timestamps(self, shift_ns: int) -> None:
        """Let all timestamps be shifted from now on (laboratories)."""
        self._timestamp_shift_ns = shift_ns
        if self._reflector is not None:
            self._reflector.shift_timestamps(shift_ns)

    async def run(
        self,
        asked: Sequence[ReflectorSpec],
        local: LocalAddresses,
        keys: StampKeys | None,
        limits: ReflectorPolicyConfig,
    ) -> None:
        """Answer at these places, under these keys, within these limits from now on."""
        self._asked, self._local, self._keys = asked, local, keys
        self._limits = limits
        await self._run()

    async def look(self, *, retry: bool, changed: bool) -> None:
        """Try again what failed, if it is time to or addresses have `changed`."""
        if (retry and self._reflected != self._to_reflect()) or self._refused_places:
            if retry or changed:
                await self._run()
        elif retry or changed:
            await self._report_unusable_places()

    async def stop(self) -> tuple[ReflectorSpec, ...] | None:
        """Stop answering; return the places that were answered at, as the plan names them, None
        where there was no reflector."""
        if self._reflector is None:
            return None
        await asyncio.to_thread(self._reflector.stop)
        places = {(spec.address, spec.port) for spec in self._reflected[0]}
        of = self._local.of
        return tuple(s for s in self._asked if (of(s.address), s.port) in places)

    def not_answered(self) -> Iterator[Silence]:
        """Yield whom the reflector should answer and does not."""
        places = frozenset() if self._reflector is None else self._reflector.answers_at()
        reflected, keys = self._reflected
        specs = {(spec.address, spec.port): spec for spec in reflected}
        there = {place: spec for place, spec in specs.items() if place in places}
        limited = self._over_limit()
        for spec in self._asked:
            place = spec.address, spec.port
            here = self._local.of(spec.address), spec.port
            answered = there[here].peers if here in there else ()
            missing = tuple(peer for peer in spec.peers if peer not in set(answered))
            if missing:
                yield Silence(*place, "reflector.not_listening", missing)
            keyless = [peer for peer in spec.authenticated or () if not keys.get(peer)]
            if keyless and here in there:
                yield Silence(*place, "reflector.key", tuple(keyless))
            if limited and here in there:
                yield Silence(*place, "policy.reflector.max_packets_per_s")

    def _over_limit(self) -> bool:
        """Tell whether requests were turned away of late because there were too many."""
        counters, now_ns = self.counters(), self._clock.monotonic_ns()
        limited = 0 if counters is None else counters.limited + counters.limited_by_source
        if limited != self._limited:
            self._limited, self._limited_ns = limited, now_ns + LIMITED_NS
        return now_ns < self._limited_ns

    def _to_reflect(self) -> _Places:
        return self._local.reflectors(
            self._asked
        ), {} if self._keys is None else self._keys.answering

    async def _run(self) -> None:
        wanted, limits = self._to_reflect(), self._limits
        epoch = None if self._keys is None else self._keys.epoch
        if self._reflector is not None:
            self._reflector.limit(limits.max_packets_per_s, limits.max_packets_per_s_per_source)
        if wanted == self._reflected and not self._refused_places:
            self.answered_epoch = epoch
            return
        try:
            if self._reflector is not None:
                await asyncio.to_thread(self._reflector.update, *wanted)
            else:
                from probes.reflector.reflector import Reflector  # only agents that reflect need it

                reflector = Reflector(
                    wanted[0],
                    stamp_keys=wanted[1],
                    own_clock_bound_ns=self._own_clock_bound_ns,
                    timestamp_shift_ns=self._timestamp_shift_ns,
                    max_packets_per_s=limits.max_packets_per_s,
                    max_packets_per_s_per_source=limits.max_packets_per_s_per_source,
                )
                await asyncio.to_thread(reflector.start)
                self._reflector = reflector
        except IsochroneError as error:
            self._conditions.begin("reflector", "error", error.text)
            return
        self._reflected, self.answered_epoch = wanted, epoch
        await self._report_unusable_places()

    async def _report_unusable_places(self) -> None:
        """Tell where nothing is answered although the plan asks for it, and why."""
        if self._reflector is None:
            return
        refused = self._refused_places = await asyncio.to_thread(self._reflector.refused)
        if not refused:
            self._conditions.end("reflector")
            return
        told = refused[:_MOST_TOLD]
        text = Text(" ".join(text.en for text in told), "".join(text.zh for text in told))
        self._conditions.begin("reflector", "error", text)
