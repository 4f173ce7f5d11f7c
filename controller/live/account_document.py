"""What became of every probe that was due, as reports and the API say it.

Declared apart from what counts it: a client reads it without numpy.
"""

from __future__ import annotations

import msgspec


class ExclusionsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Probes that were due and are not judged, by why.

    not_sent: never left their sender. suspect: of windows that a starved machine measured. change:
    of the windows in which the period begins and ends. maintenance: announced. unanswered: the
    agent at the far end did not answer, by its owner's will or its own fault. curtailed: the owner
    of the sender refused or slowed them. missing: no window of that time was delivered.
    """

    not_sent: int
    suspect: int
    change: int
    maintenance: int
    unanswered: int
    curtailed: int
    missing: int


class AccountDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Of from_ns ≤ t < to_ns: `due` = `judged` + all that was `excluded`; `lost` of the judged."""

    from_ns: int
    to_ns: int
    due: int
    judged: int
    lost: int
    excluded: ExclusionsDocument
