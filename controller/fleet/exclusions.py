"""Which windows are not judged: those that touch a maintenance or a silence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.fleet.maintenance import Maintenance
from controller.fleet.silences import Silences
from probes.window import WindowBatch

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Exclusions:
    """What is left out of judging, for streams numbered as in the plan."""

    maintenance: Maintenance
    silences: Silences

    def of(self, batch: WindowBatch) -> Flags | None:
        """Return whose windows of a batch do not count; None where all of them do."""
        start_ns, end_ns = batch.start_ns, batch.start_ns + batch.duration_ns
        found = self.during(start_ns, end_ns)
        unconfirmed = self.silences.unconfirmed_during(start_ns, end_ns)
        if unconfirmed is not None:
            answered = batch.stream_id[batch.counters["received"] > 0]
            unconfirmed &= ~self.silences.are(answered)
        return _either(found, unconfirmed)

    def during(self, start_ns: int, end_ns: int) -> Flags | None:
        """Return whose windows in start_ns ≤ t < end_ns do not count, whatever is in them."""
        return _either(
            self.maintenance.streams_during(start_ns, end_ns),
            self.silences.streams_during(start_ns, end_ns),
        )


def _either(one: Flags | None, other: Flags | None) -> Flags | None:
    if one is None or other is None:
        return other if one is None else one
    return one | other
