"""What a window measures of its stream: every counter, value and histogram, declared once.

The engine sums up what is declared here; chunks, the store's levels, exports and the API's
documents have a column of each. To add a measure, declare it (docs/concepts/extending.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from foundation.number_types import LONGEST_TIMEOUT_MS

Floats = NDArray[np.float64]

# No timestamp or error estimate of STAMP spans as much (RFC 8762 §4.2.1: at most 255 · 2^31 s).
GREATEST = float(np.nextafter(float(1 << 70), 0))
LONGEST_NS = LONGEST_TIMEOUT_MS * 1e6  # a later answer has no round trip

# Probes that were due and never left this host, by cause.
NOT_SENT = ("firewall", "no_route", "interface", "queue", "too_big", "skipped", "other")


class FinishedProbes(Protocol):
    """All probes of a window whose outcome is known, to be summed up stream by stream.

    `probes` has their columns (`probes.engine.accumulate.Finished`); names are of such columns.
    Sums are of probes that were answered, and of values that exist: [streams] with NaN for none.
    """

    probes: Any

    def count(self, which: NDArray[np.bool_]) -> NDArray[np.uint32]:
        """Return how many of each stream's probes are among `which`."""

    def least(self, column: str) -> Floats:
        """Return the least value of a column."""

    def mean(self, column: str) -> Floats:
        """Return the mean."""

    def greatest(self, column: str) -> Floats:
        """Return the greatest value."""

    def send_lag(self) -> tuple[Floats, Floats]:
        """Return (mean, greatest) of how much later than planned probes left, answered or not."""

    def clock_bound(self) -> Floats:
        """Return the widest clock bound; NaN if any one-way delay has none."""

    def hops_backward(self) -> Floats:
        """Return the mean count of routers that answers came by."""

    def dscp(self, way: str) -> Floats:
        """Return the DSCP that was seen most."""

    def ecn(self, way: str) -> Floats:
        """Return the highest ECN code point that was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """A count of probes, uint32. `count` makes it where it is more than a count of outcomes.

    Windows are merged by adding it up.
    """

    name: str
    meaning: str
    count: Callable[[FinishedProbes], NDArray[np.uint32]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A number, float64; NaN where there is nothing to summarise.

    `low`, `high`: what it can be. `predicted`: by the first measure less the second, both declared
    before it, which makes chunks small. `merged`: how windows are merged into minutes and more,
    and so exported; None: it is of single windows alone. `shown`: in the API's windows.
    """

    name: str
    meaning: str
    summarise: Callable[[FinishedProbes], Floats]
    low: float = -GREATEST
    high: float = GREATEST
    predicted: tuple[str | None, str | None] = (None, None)
    merged: Literal["least", "greatest"] | None = None
    shown: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A histogram of a column of the answered probes.

    `signed`: a one-way delay, so that disagreeing clocks may make its values negative. `infinite`:
    counters of the lost probes that are infinite delays in it (RFC 7679 §5.1). Windows are merged
    by adding it up.
    """

    name: str
    meaning: str
    column: str
    signed: bool = False
    infinite: tuple[str, ...] = ()


def _delay(name: str, end: str, predicted: tuple[str | None, str | None]) -> Value:
    column, round_trip = f"{name}_ns", name == "rtt"
    sums: dict[str, Callable[[FinishedProbes], Floats]] = {
        "min": lambda found: found.least(column),
        "mean": lambda found: found.mean(column),
        "max": lambda found: found.greatest(column),
    }
    return Value(
        name=f"{name}_{end}_ns",
        meaning=f"{end} of {name}",
        summarise=sums[end],
        low=0.0 if round_trip else -GREATEST,
        high=LONGEST_NS if round_trip else GREATEST,
        predicted=predicted,
        shown=round_trip or (name, end) == ("forward", "mean"),
    )


# Loss of a direction needs a stateful reflector; else it is lost_unknown. unread: this host had no
# room for what came back, so that nobody knows whether it did; neither received nor lost.
COUNTERS = [
    Counter(
        name="sent",
        meaning="Probes that left the sender; with those not sent, all that were requested",
    ),
    Counter(name="received", meaning="Probes answered in time"),
    Counter(name="lost_forward", meaning="Probes lost on the way there"),
    Counter(name="lost_backward", meaning="Answers lost on the way back"),
    Counter(name="lost_unknown", meaning="Probes lost, direction unknown"),
    Counter(name="late", meaning="Answers after the waiting time; they count as lost"),
    Counter(
        name="unread",
        meaning="Probes whose answers the sender had no room for; neither received nor lost",
    ),
    Counter(name="duplicate", meaning="Answers that came more than once"),
    Counter(
        name="reordered",
        meaning="Answers that overtook an earlier one",
        count=lambda found: found.count(found.probes.reordered),
    ),
    Counter(
        name="discarded",
        meaning="Of the lost: an answer came that was of no use (cut, damaged, from elsewhere)",
        count=lambda found: found.count(found.probes.discarded),
    ),
    Counter(
        name="dscp_changed_forward",
        meaning="Of the received: they reached the far end with another DSCP",
        count=lambda found: found.count(found.probes.dscp_changed(found.probes.tos_forward)),
    ),
    Counter(
        name="dscp_changed_backward",
        meaning="Of the received: the answer arrived with another DSCP",
        count=lambda found: found.count(found.probes.dscp_changed(found.probes.tos_backward)),
    ),
    Counter(
        name="not_sent_firewall",
        meaning="Probes that the sender's own firewall stopped; they are not sent",
    ),
    Counter(name="not_sent_no_route", meaning="Probes for which the sender had no route"),
    Counter(
        name="not_sent_interface",
        meaning="Probes whose interface or source address was down or gone",
    ),
    Counter(name="not_sent_queue", meaning="Probes that the sender's own queue dropped"),
    Counter(name="not_sent_too_big", meaning="Probes that were larger than the MTU"),
    Counter(
        name="not_sent_skipped",
        meaning="Probes left out because the sender was late by whole intervals",
    ),
    Counter(
        name="not_sent_other",
        meaning="Probes that the system would not take for another reason",
    ),
]

# Exact summaries of delays in nanoseconds; forward + backward = round trip - residence, so that
# the mean of the way back costs next to nothing.
VALUES = [
    _delay("rtt", "min", (None, None)),
    _delay("rtt", "mean", ("rtt_min_ns", None)),
    _delay("rtt", "max", ("rtt_mean_ns", None)),
    _delay("forward", "min", (None, None)),
    _delay("forward", "mean", ("forward_min_ns", None)),
    _delay("forward", "max", ("forward_mean_ns", None)),
    _delay("backward", "min", ("rtt_min_ns", "forward_min_ns")),
    _delay("backward", "mean", ("rtt_mean_ns", "forward_mean_ns")),
    _delay("backward", "max", ("backward_mean_ns", None)),
    Value(
        name="clock_bound_ns",
        meaning="Bound on the error of one-way delays by both clocks; empty: not trusted",
        summarise=lambda found: found.clock_bound(),
        low=0.0,
    ),
    Value(
        name="send_lag_mean_ns",
        meaning="How much later than planned probes left, mean",
        summarise=lambda found: found.send_lag()[0],
        shown=False,
    ),
    Value(
        name="send_lag_max_ns",
        meaning="How much later than planned probes left, greatest",
        summarise=lambda found: found.send_lag()[1],
        predicted=("send_lag_mean_ns", None),
        shown=False,
    ),
    Value(
        name="hops_forward",
        meaning="Routers on the way there, mean",
        summarise=lambda found: found.mean("hops_forward"),
        low=0.0,
        high=255.0,
        shown=False,
    ),
    Value(
        name="hops_backward",
        meaning="Routers on the way back, mean",
        summarise=lambda found: found.hops_backward(),
        low=0.0,
        high=255.0,
        shown=False,
    ),
    Value(
        name="dscp_forward",
        meaning="DSCP that most probes had at the far end",
        summarise=lambda found: found.dscp("forward"),
        low=0.0,
        high=63.0,
    ),
    Value(
        name="dscp_backward",
        meaning="DSCP that most answers had here",
        summarise=lambda found: found.dscp("backward"),
        low=0.0,
        high=63.0,
    ),
    Value(
        name="ecn_forward",
        meaning="Highest ECN code point of probes at the far end",
        summarise=lambda found: found.ecn("forward"),
        low=0.0,
        high=3.0,
    ),
    Value(
        name="ecn_backward",
        meaning="Highest ECN code point of answers here",
        summarise=lambda found: found.ecn("backward"),
        low=0.0,
        high=3.0,
    ),
]

# Lost nobody knows where: on either way.
_UNPLACED = ("lost_unknown", "late")
DISTRIBUTIONS = [
    Distribution(
        name="rtt",
        meaning="Round-trip delay",
        column="rtt_ns",
        infinite=("lost_forward", "lost_backward", *_UNPLACED),
    ),
    Distribution(
        name="forward",
        meaning="One-way delay to the destination",
        column="forward_ns",
        signed=True,
        infinite=("lost_forward", *_UNPLACED),
    ),
    Distribution(
        name="backward",
        meaning="One-way delay back",
        column="backward_ns",
        signed=True,
        infinite=("lost_backward", *_UNPLACED),
    ),
    # |D(i) - D(i-1)|, the inter-packet delay variation of RFC 3393.
    Distribution(
        name="variation", meaning="Delay variation of the round trip", column="variation_ns"
    ),
]
