"""How far this machine's clock can be trusted: asked every few seconds, never guessed.

The owner's declaration comes first; then ptp4l where the owner says that it drives the system
clock; then chronyd; then the kernel's own bound. A clock that nothing disciplines has no bound
(NaN), and then no one-way verdict is based on it.
"""

from __future__ import annotations

import asyncio
import math
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from agent.config import ClockConfig
from foundation.clock import Clock
from foundation.errors import RemoteProtocolError
from probes.clocks.chrony import Tracking, ask_chronyd
from probes.clocks.kernel import kernel_clock_bound_ns
from probes.clocks.ptp import PMC_QUERIES, PtpStatus, read_pmc

LOOK_EVERY_S = 8.0
STALE_AFTER_S = 60.0
# What a disciplined clock may wander between two looks; undisciplined ones have no bound at all.
WANDER_PPM = 10.0
# Between steps wall and monotonic clock run alike (slewing moves both), so their difference tells.
STEP_NS = 1_000_000
_READINGS = 3  # one of which may be interrupted between its two clocks
_PMC_TIMEOUT_S = 3.0
_PMC_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"


@dataclass(frozen=True, slots=True)
class ClockState:
    """What is known: `bound_ns` is NaN where the clock is not synchronised."""

    source: str
    bound_ns: float
    read_ns: int  # monotonic
    offset_ns: int  # wall less monotonic


class ClockWatch:
    """Keeps the latest answer of the best time source. `bound_ns` may be called on any thread."""

    def __init__(
        self,
        config: ClockConfig,
        clock: Clock,
        *,
        ask_chrony: Callable[[int], Tracking | None] = ask_chronyd,
        ask_kernel: Callable[[], float] = kernel_clock_bound_ns,
        ask_ptp: Callable[[], PtpStatus | None] | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._ask_chrony = ask_chrony
        self._ask_kernel = ask_kernel
        self._ask_ptp = ask_ptp or ask_ptp4l
        self._sequence = 0
        self._state = ClockState("unknown", math.nan, clock.monotonic_ns(), self._offset_ns())
        self.steps = 0
        self.stepped_by_ns = 0  # of the last step

    @property
    def source(self) -> str:
        """Which source the bound comes from: declared, ptp, chrony or adjtimex."""
        return self._state.source

    def bound_ns(self) -> float:
        """Return the bound now, in nanoseconds; NaN where the clock is not to be trusted."""
        state = self._state
        if state.source == "declared":
            return state.bound_ns
        age_s = self.age_s()
        if age_s > STALE_AFTER_S or abs(self._moved_ns()) > STEP_NS:
            return math.nan  # what was said held of the clock before it was stepped
        return state.bound_ns + age_s * WANDER_PPM * 1e3

    def age_s(self) -> float:
        """Return how long ago the source was asked."""
        return (self._clock.monotonic_ns() - self._state.read_ns) / 1e9

    def _offset_ns(self) -> int:
        return self._clock.wall_ns() - self._clock.monotonic_ns()

    def _moved_ns(self) -> int:
        """Return by how much the wall clock was stepped since the last look, 0 for the least."""
        readings = (self._offset_ns() - self._state.offset_ns for _ in range(_READINGS))
        return min(readings, key=abs)

    def trust(self, config: ClockConfig) -> None:
        """Let another declaration of the owner hold from the next look on."""
        self._config = config

    def look(self) -> None:
        """Ask again; blocks for a moment, so call it on a worker thread."""
        moved_ns = self._moved_ns()
        if abs(moved_ns) > STEP_NS:
            self.steps += 1
            self.stepped_by_ns = moved_ns
        now_ns, offset_ns = self._clock.monotonic_ns(), self._offset_ns()
        source, bound_ns = self._ask()
        self._state = ClockState(source, bound_ns, now_ns, offset_ns)

    async def run(self) -> None:
        """Ask every few seconds, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await asyncio.to_thread(self.look)

    def _ask(self) -> tuple[str, float]:
        declared_us = self._config.declared_bound_us
        if declared_us is not None:
            return "declared", declared_us * 1e3
        if self._config.ptp:
            return "ptp", self._ptp_bound_ns()
        self._sequence += 1
        try:
            tracking = self._ask_chrony(self._sequence)
        except RemoteProtocolError:
            return "chrony", math.nan
        if tracking is None:
            return "adjtimex", self._ask_kernel()
        synchronised = tracking.is_synchronised(self._clock.wall_ns())
        return "chrony", tracking.bound_ns() if synchronised else math.nan

    def _ptp_bound_ns(self) -> float:
        status = self._ask_ptp()
        if status is None or not status.is_synchronised():
            return math.nan
        asymmetry_us = self._config.ptp_asymmetry_us
        bound_ns = status.bound_ns(None if asymmetry_us is None else asymmetry_us * 1e3)
        return math.nan if bound_ns is None else bound_ns


def ask_ptp4l() -> PtpStatus | None:
    """Return what ptp4l says of its clock, or None where it does not answer (linuxptp's pmc)."""
    program = shutil.which("pmc", path=_PMC_PATH)
    if program is None:
        return None
    try:
        run = subprocess.run(
            [program, "-u", "-b", "0", *PMC_QUERIES],
            env={"PATH": _PMC_PATH, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=_PMC_TIMEOUT_S,
            check=False,
        )
        return read_pmc(run.stdout)
    except (OSError, subprocess.TimeoutExpired, RemoteProtocolError):
        return None
