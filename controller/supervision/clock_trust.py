"""Whether the controller's clock can be trusted with what cannot be undone.

A clock that was stepped is doubted for a while, and so is one that most agents, who agree with one
another, contradict. Meanwhile no campaign begins or ends and nothing is forgotten. And history is
forgotten by the windows that agents deliver as well as by our clock, never faster than `PACE` times
as time goes by: whoever has set a clock wrong has hours to notice.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from controller.events.event_types import ControllerChanged
from controller.fleet.agents import Fleet, FleetView
from controller.store.levels import DAY_NS, SECOND_NS, Retention
from foundation.clock import Clock
from foundation.text import Text
from probes.clocks.steady import Steadiness

STEP_NS = 30 * SECOND_NS
DOUBTED_NS = 600 * SECOND_NS  # after a step
STEADY_NS = 900 * SECOND_NS  # before anything is forgotten
APART_NS = 60 * SECOND_NS  # of our clock from those of agents; and of theirs from one another
PACE = 24
SUBJECT = "clock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Steady:
    """For how long a clock has not been stepped, and by how much it was then, if ever."""

    for_ns: int
    was_stepped: bool = False
    stepped_by_ns: int = 0


def doubt_of(steady: Steady, fleet: FleetView) -> Text | None:
    """Return why a clock that runs so is not to be trusted beside these agents, None if it is."""
    steady_ns = steady.for_ns
    if steady.was_stepped and steady_ns < DOUBTED_NS:
        by_s = steady.stepped_by_ns / 1e9
        return Text(
            f"The controller's clock was stepped by {by_s:+.0f} s {steady_ns / 1e9:.0f} s ago; "
            "until it has been steady for ten minutes no campaign begins or ends and no data "
            "expires. Check the clock.",
            f"控制器时钟在 {steady_ns / 1e9:.0f} 秒前跳变 {by_s:+.0f} 秒；"
            "在稳定运行十分钟之前，不启动或结束专项测量，也不清理历史数据。请检查时钟。",
        )
    ahead_ns = fleet.clocks_ahead_ns()
    middle_ns = statistics.median(ahead_ns) if ahead_ns else 0
    alike = sum(abs(one - middle_ns) <= APART_NS for one in ahead_ns)
    if abs(middle_ns) > APART_NS and alike >= 2 and 2 * alike > len(ahead_ns):
        return Text(
            f"{alike} of {len(ahead_ns)} agents agree that the controller's clock is "
            f"{-middle_ns / 1e9:+.0f} s wrong; meanwhile no campaign begins or ends and no data "
            f"expires. Correct the clock.",
            f"{len(ahead_ns)} 个探针中有 {alike} 个一致表明控制器时钟偏差 "
            f"{-middle_ns / 1e9:+.0f} 秒；在此期间不启动或结束专项测量，"
            "也不清理历史数据。请校正时钟。",
        )
    return None


class ClockTrust:
    """Looked at every few seconds; `oldest_ns` is where the stored windows begin."""

    def __init__(
        self,
        clock: Clock,
        fleet: Fleet,
        retention: Retention,
        oldest_ns: Callable[[], int | None],
    ) -> None:
        self._clock, self._fleet = clock, fleet
        self._retention, self._oldest_ns = retention, oldest_ns
        self._steadiness = Steadiness(clock, STEP_NS)
        self._told: tuple[str, int] = ("trusted", clock.wall_ns())
        self._forgotten: tuple[int, int] | None = None  # (as of, when in monotonic time)

    def steady(self) -> Steady:
        """Return since when our clock has not been stepped."""
        steady_ns = self._steadiness.steady_ns()
        return Steady(
            for_ns=steady_ns,
            was_stepped=self._steadiness.was_stepped,
            stepped_by_ns=self._steadiness.stepped_by_ns,
        )

    def doubt(self) -> Text | None:
        """Return why the clock is not to be trusted now, None if it is."""
        return doubt_of(self.steady(), self._fleet.now())

    def forget_as_of_ns(self) -> int | None:
        """Return the time as of which history may be forgotten; None: not now."""
        steady_ns = self._steadiness.steady_ns()
        witness_ns = self._fleet.now().newest_windows_ns()
        if self.doubt() is not None or steady_ns < STEADY_NS or not witness_ns:
            return None
        wanted_ns = min(self._clock.wall_ns(), statistics.median_low(witness_ns))
        now_ns = self._clock.monotonic_ns()
        if self._forgotten is None:
            oldest_ns = self._oldest_ns()
            if oldest_ns is None:
                return None
            # As of when nothing that is stored is too old.
            as_of_ns = oldest_ns + self._retention.window_days * DAY_NS
        else:
            as_of_ns, then_ns = self._forgotten
            as_of_ns += PACE * (now_ns - then_ns)
        self._forgotten = min(wanted_ns, as_of_ns), now_ns
        return self._forgotten[0]

    def changes(self) -> list[ControllerChanged]:
        """Return that the clock has come to be doubted, or is trusted again, as an event."""
        state = "trusted" if self.doubt() is None else "doubted"
        before, since_ns = self._told
        if state == before:
            return []
        now_ns = self._clock.wall_ns()
        self._told = (state, now_ns)
        return [
            ControllerChanged(
                at_ns=now_ns,
                part=SUBJECT,
                state=state,
                previous=before,
                previous_since_ns=since_ns,
            )
        ]
