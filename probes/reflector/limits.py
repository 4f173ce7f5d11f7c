"""How much a reflector answers: in all, of each source, and what is kept for whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from probes.reflector.admission import SourceLimit, TokenBucket
from probes.reflector.seniority import JUNIOR, SENIOR, Seniority
from probes.reflector.sessions import SecretHash, SessionTable, Sources

_VERIFICATIONS_PER_S = 20_000.0  # HMACs of requests; some 2 µs each


class Limits:
    """At most `per_s` packets per second in all and `per_s_per_source` of each source.

    Genuine requests (`authenticated`: under an HMAC) have their own limits, so that nothing forged
    takes from them; of the others, sessions that were answered before keep their share.
    """

    def __init__(
        self, per_s: float, per_s_per_source: float | None, sessions: SessionTable
    ) -> None:
        self._all = {authenticated: TokenBucket(per_s) for authenticated in (False, True)}
        self._by_source: dict[bool, SourceLimit] = {}
        if per_s_per_source is not None:
            mixer = SecretHash()
            self._by_source = {
                authenticated: SourceLimit(per_s_per_source, mixer=mixer)
                for authenticated in (False, True)
            }
        self._seniority = Seniority(sessions)
        self.learn = self._seniority.learn
        self.verifications = TokenBucket(_VERIFICATIONS_PER_S)

    def buckets(self, sources: Sources) -> NDArray[np.int64]:
        """Return the number of each source's bucket, int64[n]; -1 without a limit for sources."""
        if not self._by_source:
            return np.full(len(sources.port), -1)
        return self._by_source[False].buckets(sources)

    def refusal(
        self, bucket: int, slot: int, now_ns: int, *, authenticated: bool
    ) -> Literal["limited", "limited_by_source"] | None:
        """Return which limit keeps one request from being answered; None if it may be."""
        seniority = 0
        if self._by_source:
            of = self._by_source[authenticated]
            if not of.grants_one(bucket, now_ns):
                seniority = self._seniority_of(slot, now_ns)
                if not (seniority and of.grants_one(bucket, now_ns, seniority=seniority)):
                    return "limited_by_source"
        if self._all[authenticated].take(1, now_ns):
            return None
        seniority = seniority or self._seniority_of(slot, now_ns)
        if seniority and self._all[authenticated].take(1, now_ns, seniority=seniority):
            return None
        return "limited"

    def _seniority_of(self, slot: int, now_ns: int) -> int:
        return int(self._seniority.seniority_of(np.array([slot]), now_ns)[0])

    def grants(
        self,
        sources: Sources,
        now_ns: int,
        slots: Callable[[NDArray[np.intp]], NDArray[np.int64]] | None,
        *,
        authenticated: bool,
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return (which of n requests are answered, which of the others their source's limit
        refuses). `slots` gives the sessions of some, asked for where there is not enough for all.
        """
        count = len(sources.port)
        seniority = np.zeros(count, np.uint8)

        def claims(denied: NDArray[np.intp]) -> list[tuple[int, NDArray[np.intp]]]:
            """Return those of the denied that have a share, seniors first."""
            asking = denied[seniority[denied] == 0]
            if slots is not None and len(asking):
                seniority[asking] = self._seniority.seniority_of(slots(asking), now_ns)
            found = ((each, denied[seniority[denied] == each]) for each in (SENIOR, JUNIOR))
            return [(each, rows) for each, rows in found if len(rows)]

        granted = np.ones(count, np.bool_)
        if self._by_source:
            limit = self._by_source[authenticated]
            granted = limit.grants(sources, now_ns)
            if not granted.all():
                for each, rows in claims(np.flatnonzero(~granted)):
                    granted[rows] = limit.grants(sources.take(rows), now_ns, seniority=each)
        of_source = ~granted
        row = np.flatnonzero(granted)
        taken = self._all[authenticated].take(len(row), now_ns)
        if taken < len(row):
            granted[row[taken:]] = False
            for each, rows in claims(row[taken:]):
                more = self._all[authenticated].take(len(rows), now_ns, seniority=each)
                granted[rows[:more]] = True
        return granted, of_source
