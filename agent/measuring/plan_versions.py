"""Which version of the plan was in force when, whatever the wall clock said."""

from __future__ import annotations

_MOST = 8  # windows end long before so many plans have come


class PlanVersions:
    """The versions of the last plans with the monotonic time from which each was in force.

    Noted on one thread, asked for on any.
    """

    def __init__(self) -> None:
        self._begun: tuple[tuple[int, int], ...] = ()  # (monotonic_ns, version), oldest first

    def begin(self, version: int, now_ns: int) -> None:
        """Note that a plan of this version is in force from now on."""
        if not self._begun or self._begun[-1][1] != version:
            self._begun = (*self._begun[1 - _MOST :], (now_ns, version))

    def in_force(self, ended_ns: int) -> int:
        """Return the version by which was measured what ended at this time."""
        begun = self._begun
        return next(
            (version for at_ns, version in reversed(begun) if at_ns < ended_ns), begun[0][1]
        )
