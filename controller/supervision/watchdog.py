"""What runs in the background, and whether it still does: judging, housekeeping, keys, reports.

A round that raises is skipped for the part that raised alone; that part is told here, and from here
in ``/readyz``, in the metrics, in the event log and once in the controller's own log. A loop whose
rounds no longer end stands still, which nobody else would notice: what it made last still stands.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from controller.events.event_types import ControllerChanged
from foundation.clock import Clock
from foundation.errors import IsochroneError

PartState = Literal["ok", "failing", "stalled"]

logger = logging.getLogger("isochrone.controller")


@dataclass(slots=True)
class _Loop:
    limit_ns: int
    rounded_ns: int  # monotonic, of the last round that ended
    rounds: int = 0
    failures: int = 0
    failing: dict[str, str] = field(default_factory=dict)  # the parts that failed last, and why


@dataclass(frozen=True, slots=True)
class _Part:
    dog: Watchdog
    loop: str
    part: str

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if error is None:
            self.dog.recovered(self.loop, self.part)
        elif isinstance(error, Exception):
            self.dog.failed(self.loop, self.part, error)
        return isinstance(error, Exception)


class Watchdog:
    """The loops by name. On the event loop's thread alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loops: dict[str, _Loop] = {}
        self._told: dict[str, tuple[PartState, int]] = {}  # by subject, and since when
        self.skipped: Counter[str] = Counter()  # parts of rounds, by loop

    def expect(self, loop: str, limit_s: float) -> None:
        """Watch a loop from now on: one of its rounds ends every `limit_s` at least."""
        self._loops[loop] = _Loop(round(limit_s * 1e9), self._clock.monotonic_ns())

    def rounded(self, loop: str) -> None:
        """Note that a round has ended, whatever came of its parts."""
        watched = self._loops.get(loop)
        if watched is not None:
            watched.rounded_ns = self._clock.monotonic_ns()
            watched.rounds += 1

    def part(self, loop: str, part: str) -> _Part:
        """Let a part of a round fail alone: what it raises is told, and the round continues."""
        return _Part(self, loop, part)

    def failed(self, loop: str, part: str, error: BaseException) -> None:
        """Note that a part of a round raised; its reason is logged when it is new."""
        watched = self._loops.setdefault(loop, _Loop(1 << 62, self._clock.monotonic_ns()))
        watched.failures += 1
        self.skipped[loop] += 1
        reason = f"{type(error).__name__}: {error}"
        if watched.failing.get(part) == reason:
            return
        watched.failing[part] = reason
        # Of errors that are ours the sentence says everything, of a defect the traceback does.
        trace = None if isinstance(error, IsochroneError) else error
        logger.error("%s: %s is skipped: %s", loop, part, reason, exc_info=trace)

    def recovered(self, loop: str, part: str) -> None:
        """Note that a part of a round did not raise."""
        watched = self._loops.get(loop)
        if watched is not None and watched.failing.pop(part, None) is not None:
            logger.warning("%s: %s continues", loop, part)

    def failing(self) -> dict[str, str]:
        """Return the parts that failed when they were tried last, as ``loop/part``, and why."""
        return {
            f"{name}/{part}": reason
            for name, loop in self._loops.items()
            for part, reason in loop.failing.items()
        }

    def stalled(self) -> list[str]:
        """Return the loops whose last round is too long ago."""
        now_ns = self._clock.monotonic_ns()
        return [n for n, loop in self._loops.items() if now_ns - loop.rounded_ns > loop.limit_ns]

    def ages_s(self) -> dict[str, float]:
        """Return by loop how long ago its last round ended, or it began to be watched."""
        now_ns = self._clock.monotonic_ns()
        return {n: (now_ns - loop.rounded_ns) / 1e9 for n, loop in self._loops.items()}

    def changes(self) -> list[ControllerChanged]:
        """Return as events what came to stand still, to fail or to continue since this
        was asked.
        """
        now_ns = self._clock.wall_ns()
        found: dict[str, PartState] = dict.fromkeys(self.failing(), "failing")
        found |= dict.fromkeys(self.stalled(), "stalled")
        events = []
        for subject in sorted(found.keys() | self._told.keys()):
            state, (before, since_ns) = found.get(subject, "ok"), self._told.get(subject, ("ok", 0))
            if state == before:
                continue
            if state == "stalled":
                logger.error("%s stands still: its rounds no longer end", subject)
            events.append(
                ControllerChanged(
                    at_ns=now_ns,
                    part=subject,
                    state=state,
                    previous=before,
                    previous_since_ns=since_ns or None,
                )
            )
            self._told[subject] = (state, now_ns)
            if state == "ok":
                del self._told[subject]
        return events
