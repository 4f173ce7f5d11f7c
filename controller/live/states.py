"""How streams, paths and agents are. Pure: arrays in, codes out.

Absent is not zero, unknown is not fine: silence is said before any verdict. In this order, the
first that holds: maintenance, agent down, curtailed, no data, late, path down, failing, undecided,
ok. What the policy of an agent's owner refuses, at either end, is curtailed: nobody measures it,
nothing is lost. What the agent at the far end does not answer for another reason has no data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.store.aggregate import WindowSeries

STATES = (
    "ok",
    "failing",
    "undecided",
    "late",
    "no_data",
    "agent_down",
    "path_down",
    "maintenance",
    "never_seen",  # of agents alone: no data since ever
    "curtailed",  # of streams and paths
)
OK, FAILING, UNDECIDED, LATE, NO_DATA, AGENT_DOWN, PATH_DOWN, MAINTENANCE, NEVER_SEEN = range(9)
CURTAILED = 9
SILENT = (LATE, NO_DATA, AGENT_DOWN, NEVER_SEEN)

LATE_WINDOWS = 4  # a window is on its way for two: the interval and the waiting time
NO_DATA_WINDOWS = 12
DOWN_WINDOWS = 3  # in a row in which nothing at all came back

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFlags:
    """What is known of n streams or paths: end of the newest window (0: none) and flags."""

    newest_ns: NDArray[np.int64]
    agent_down: Flags
    curtailed: Flags
    unanswered: Flags  # by the agent at the far end, which does not run or is not asked yet
    down: Flags
    failing: Flags
    undecided: Flags
    maintenance: Flags


def codes(flags: StateFlags, now_ns: int, window_ns: int) -> NDArray[np.int8]:
    """Return the place in STATES of each, int8[n]."""
    silent_ns = now_ns - flags.newest_ns
    no_data = (flags.newest_ns == 0) | (silent_ns > NO_DATA_WINDOWS * window_ns)
    found = np.select(
        [
            flags.maintenance,
            flags.agent_down,
            flags.curtailed,
            no_data | flags.unanswered,
            silent_ns > LATE_WINDOWS * window_ns,
            flags.down,
            flags.failing,
            flags.undecided,
        ],
        [MAINTENANCE, AGENT_DOWN, CURTAILED, NO_DATA, LATE, PATH_DOWN, FAILING, UNDECIDED],
        OK,
    )
    return found.astype(np.int8)


def nothing_returns(windows: WindowSeries) -> Flags:
    """Return of which streams the last DOWN_WINDOWS windows lost every probe, bool[n]."""
    first, end = windows.indptr[:-1], windows.indptr[1:]
    enough = end - first >= DOWN_WINDOWS
    down = enough.copy()
    for back in range(1, DOWN_WINDOWS + 1):
        at = end[enough] - back
        down[enough] &= (windows.sent[at] > 0) & (windows.lost[at] == windows.sent[at])
    return down


def path_flags(
    streams: StateFlags, path: NDArray[np.int64], paths: int, fresh_ns: int
) -> StateFlags:
    """Return the signs of paths from those of the streams on them; verdicts are not among them.

    `path` int64[n]: the path of each stream. A path is down if all of its streams that still
    report (newest window after `fresh_ns`) are: one protocol that is filtered is no dead path.
    """
    newest_ns = np.zeros(paths, np.int64)
    np.maximum.at(newest_ns, path, streams.newest_ns)
    fresh = streams.newest_ns > fresh_ns
    reports = _any(fresh, path, paths)
    nothing = np.zeros(paths, np.bool_)
    return StateFlags(
        newest_ns=newest_ns,
        agent_down=_any(streams.agent_down, path, paths),
        curtailed=_any(streams.curtailed, path, paths) & ~_any(~streams.curtailed, path, paths),
        unanswered=_any(streams.unanswered, path, paths) & ~_any(~streams.unanswered, path, paths),
        down=reports & ~_any(fresh & ~streams.down, path, paths),
        failing=nothing,
        undecided=nothing,
        maintenance=nothing,
    )


def _any(flag: Flags, group: NDArray[np.int64], groups: int) -> Flags:
    found: NDArray[Any] = np.bincount(group[flag], minlength=groups) > 0
    return found
