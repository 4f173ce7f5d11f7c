"""Numbers that come from outside: finite and in range, each kind declared once.

A bound on both sides keeps out NaN and infinity too (no comparison with NaN holds), and a least
value above zero keeps out numbers so small that their inverse is infinite. Whole numbers are those
that a database and a numpy column can hold. A test holds every number of every boundary to this.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

LARGEST = (1 << 63) - 1
SHORTEST_INTERVAL_MS, LONGEST_INTERVAL_MS = 0.01, 86_400_000.0
LONGEST_TIMEOUT_MS = 60_000

Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
Whole = Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
RowNumber = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]  # exact in float64, as JSON has it
Instant = Count  # nanoseconds since 1970
IntervalMs = Annotated[float, msgspec.Meta(ge=SHORTEST_INTERVAL_MS, le=LONGEST_INTERVAL_MS)]
TimeoutMs = Annotated[float, msgspec.Meta(ge=0.001, le=LONGEST_TIMEOUT_MS)]
Rate = Annotated[float, msgspec.Meta(ge=1e-6, le=1e12)]  # packets or bits per second
Amount = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]  # of whatever a person counts
