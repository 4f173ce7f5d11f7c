"""Clocks as the API says them: what the mesh found out about each site's."""

from __future__ import annotations

from controller.documents.clocks import ClockDocument
from controller.live.figures import finite
from controller.live.verdicts import LiveVerdicts


def clock_document(live: LiveVerdicts, site: str) -> ClockDocument | None:
    """Return what the latest round found of a site's clock; None where no stream touches it."""
    found = live.latest.clocks
    if found is None or site not in live.latest.sites:
        return None
    i = live.latest.sites.index(site)
    return ClockDocument(
        suspected=bool(found.liar[i]),
        offset_ns=finite(found.offset_ns[i]),
        error_ns=finite(found.error_ns[i]),
        pairs=int(found.pairs[i]),
        triangles=int(found.triangles[i]),
    )
