"""When the engine wakes: how far apart probes are sent, and how long answers wait.

Waking is dear: caches are cold, and the work of a batch is nearly the same for one probe as for
five hundred. So probes that are due about the same time leave together, and answers, which the
kernel has timestamped, are collected at a tick that sends anyway
(docs/decisions/sending.md).
"""

from __future__ import annotations

from probes.engine.pacing import Pacer

_SHORTEST_NS, _LONGEST_NS = 100_000, 200_000_000
_MOST_PROBES = 512  # a tick is not so long that more than these leave at once


class Ticks:
    """The rhythm of one engine. `due_ns` is when the next tick should be, 0 before the first."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self._sent_ns = -_LONGEST_NS
        self.due_ns = 0

    def length_ns(self) -> int:
        """Return how far apart batches leave: twice the usual jitter, so that no probe is sent
        further from its time, before or after, than the jitter is wide."""
        length_ns = min(
            self._pacer.shortest_interval_ns / 5,
            _MOST_PROBES * 1e9 / max(self._pacer.rate_per_s, 1.0),
            _LONGEST_NS,
        )
        return int(max(length_ns, _SHORTEST_NS))

    def send_at_ns(self) -> int:
        """Return when to send: not before a probe is due, nor soon after others were sent."""
        return max(self._pacer.next_due_ns(), self._sent_ns + self.length_ns())

    def horizon_ns(self, now_ns: int) -> int | None:
        """Return up to what due time probes are sent now; None if it is not yet time to send."""
        if now_ns < self.send_at_ns():
            return None
        self._sent_ns = now_ns
        return now_ns + self.length_ns() // 2

    def next_ns(self, collected_ns: int, patience_ns: int) -> int:
        """Return when to wake, if answers were collected at `collected_ns` and wait `patience_ns`.

        They wait a little longer for a tick that comes soon anyway.
        """
        send_ns, collect_ns = self.send_at_ns(), collected_ns + patience_ns
        self.due_ns = send_ns if send_ns < collect_ns + patience_ns // 4 else collect_ns
        return self.due_ns
