"""What the mesh says of a site's clock."""

from __future__ import annotations

import msgspec


class ClockDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A site's clock as the other sites measure it; all of it null where none of them can.

    `offset_ns` is against the median of the mesh, known to ± `error_ns` (one standard error), from
    `pairs` other sites in `triangles` triangles. `suspected`: it is not within what the agent
    claims, so no one-way verdict rests on it.
    """

    suspected: bool
    offset_ns: float | None
    error_ns: float | None
    pairs: int
    triangles: int
