"""How far this machine's clock can be trusted: asked every few seconds, never guessed.

The owner's declaration comes first; then ptp4l where the owner says that it drives the system
clock; then chronyd; then the kernel's own bound. A clock that nothing disciplines has no bound
(NaN), and then no one-way verdict rests on it.
"""

from __future__ import annotations

import asyncio
import math
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from agent.config import ClockConfig
from probes.chrony import Tracking, ask_chronyd
from probes.clock import Clock
from probes.clock_bound import kernel_clock_bound_ns
from probes.errors import RemoteProtocolError
from probes.ptp import PMC_QUERIES, PtpStatus, read_pmc

LOOK_EVERY_S = 8.0
STALE_AFTER_S = 60.0
# What a disciplined clock may wander between two looks; undisciplined ones have no bound at all.
WANDER_PPM = 10.0
_PMC_TIMEOUT_S = 3.0
_PMC_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"


@dataclass(frozen=True, slots=True)
class ClockState:
    """What is known: `bound_ns` is NaN where the clock is not synchronised."""

    source: str
    bound_ns: float
    read_ns: int  # monotonic


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
        self._state = ClockState("unknown", math.nan, clock.monotonic_ns())

    @property
    def source(self) -> str:
        """Which source the bound comes from: declared, ptp, chrony or adjtimex."""
        return self._state.source

    def bound_ns(self) -> float:
        """Return the bound now, in nanoseconds; NaN where the clock is not to be trusted."""
        state = self._state
        if state.source == "declared":
            return state.bound_ns
        age_s = (self._clock.monotonic_ns() - state.read_ns) / 1e9
        if age_s > STALE_AFTER_S:
            return math.nan
        return state.bound_ns + age_s * WANDER_PPM * 1e3

    def trust(self, config: ClockConfig) -> None:
        """Let another declaration of the owner hold from the next look on."""
        self._config = config

    def look(self) -> None:
        """Ask again; blocks for a moment, so call it on a worker thread."""
        now_ns = self._clock.monotonic_ns()
        source, bound_ns = self._ask()
        self._state = ClockState(source, bound_ns, now_ns)

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
            capture_output=True,
            text=True,
            timeout=_PMC_TIMEOUT_S,
            check=False,
        )
        return read_pmc(run.stdout)
    except (OSError, subprocess.TimeoutExpired, RemoteProtocolError):
        return None
