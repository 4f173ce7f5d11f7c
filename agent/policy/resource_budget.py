"""What the streams of a plan take of this machine, and which of them find room: in the plan's
order, so that what runs continues running when something is added behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from agent.policy.policy import PolicyConfig
from messages.exchange import PolicyRule
from probes.stream import StreamSpec

_SOCKET_BYTES, _FLOW_BYTES, _PROBE_BYTES = 36_000, 1_200, 128  # measured (docs/decisions/agents.md)
_LINGER_MS = 1000.0
_RULES: tuple[PolicyRule, ...] = (
    "policy.max_flows",
    "policy.max_sockets",
    "policy.max_memory_bytes",
)


class ResourceBudget:
    """How many flows, sockets and bytes of memory the streams that were taken in have.

    Streams that differ by destination alone share the sockets of each flow; those that are alike in
    that too have their own sockets. No probes of a stream leave closer than
    `least_gap_ms`.
    """

    def __init__(self, least_gap_ms: float) -> None:
        self.taken = np.zeros(len(_RULES))
        self._least_gap_ms = least_gap_ms
        self._opened: Counter[object] = Counter()  # flows with a socket, by what shares them
        self._alike: Counter[object] = Counter()

    def take(self, spec: StreamSpec, most: NDArray[np.float64]) -> PolicyRule | None:
        """Take a stream in; return the rule that it would break, None where there is room."""
        kind = spec.type_p
        shared = (kind.protocol, kind.ip_version, spec.source, kind.dscp, kind.payload_bytes)
        place = (*shared, kind.authenticated, spec.destination, kind.port)
        by = (*shared, kind.authenticated, self._alike[place])
        fresh = max(spec.flows - self._opened[by], 0)
        sockets = fresh * kind.described.sockets_a_flow
        # A flow's ring has a power of two of rows, at most twice what is in flight.
        gap_ms = max(spec.interval_ms, self._least_gap_ms)
        probes = 2 * (1.1 * (spec.timeout_ms + _LINGER_MS) / gap_ms + 8 * spec.flows)
        held = _SOCKET_BYTES * sockets + _FLOW_BYTES * spec.flows + _PROBE_BYTES * probes
        taken = self.taken + np.array((spec.flows, sockets, held))
        if (taken > most).any():
            return _RULES[int(np.argmax(taken > most))]
        self.taken = taken
        self._opened[by] += fresh
        self._alike[place] += 1
        return None


def admit_streams(
    config: PolicyConfig,
    streams: Sequence[StreamSpec],
    running: NDArray[np.bool_],
    refuse: Callable[[NDArray[np.bool_], PolicyRule], None],
) -> None:
    """Refuse the running streams that find no room, each by the first rule that it breaks."""
    room = ResourceBudget(1000.0 / config.max_packets_per_s_per_destination)
    most = np.array([config.max_flows, config.max_sockets, config.max_memory_bytes], np.float64)
    refused: dict[PolicyRule, list[int]] = {}
    for index in np.flatnonzero(running).tolist():
        rule = room.take(streams[index], most)
        if rule is not None:
            refused.setdefault(rule, []).append(index)
    for rule, indices in refused.items():
        which = np.zeros(len(streams), np.bool_)
        which[indices] = True
        refuse(which, rule)
