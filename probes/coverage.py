"""How many flows it takes to see every one of N equal paths.

Routers choose among equal paths by a hash of the 5-tuple (or the IPv6 flow label), so each flow of
a stream takes a path at random and keeps it (docs/concepts/measurement.md §5.2). The chance that k
flows cover N paths is that of a coupon collector, here computed exactly by counting how many are
covered.
"""

from __future__ import annotations

import numpy as np

MOST_PATHS = 1024


def coverage(paths: int, flows: int) -> float:
    """Return the probability that `flows` independent flows take each of `paths` at least once."""
    if flows < paths:
        return 0.0
    return float(_covered(paths, flows)[flows])


def flows_for(paths: int, confidence: float = 0.99) -> int:
    """Return the least number of flows that cover all of `paths` with this confidence.

    51 for 8 paths at 99 %. Two-stage fabrics have the product of their stages as paths, if the
    stages hash independently. Raises ValueError outside 1 … 1024 paths or 0 < confidence < 1.
    """
    if not 1 <= paths <= MOST_PATHS or not 0 < confidence < 1:
        raise ValueError(f"{paths} paths at confidence {confidence} cannot be planned")
    # Bonferroni: all are covered unless one of N is missed, of which each has (1 - 1/N)^k.
    most = 1 if paths == 1 else int(np.log((1 - confidence) / paths) / np.log1p(-1 / paths)) + 2
    return int(np.argmax(_covered(paths, most) >= confidence))


def _covered(paths: int, flows: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the probability that all paths are covered after 0, 1 … `flows` flows.

    Exact: state j is "j paths covered"; one more flow takes a new path with chance (N - j)/N.
    """
    seen = np.arange(paths + 1) / paths
    state = np.zeros(paths + 1)
    state[0] = 1.0
    complete = np.zeros(flows + 1)
    for flow in range(1, flows + 1):
        arrived = state[:-1] * (1 - seen[:-1])
        state *= seen
        state[1:] += arrived
        complete[flow] = state[-1]
    return complete
