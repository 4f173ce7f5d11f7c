"""What a session had while there was enough for all is kept for it when there no longer is.

Nobody signs an unauthenticated request, so whoever forges a peer's address faster than its limit
could take that peer's true probes. Sessions that were answered before such a flood have their own
share: as many replies a second as they had. A flood from ever other ports has no seniority; one
from a single port keeps what it had as well, and nothing of the others. Sessions that begin while
not all is answered come after the previous ones, and before what is no session.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from probes.reflector.sessions import SessionTable, turns

JUNIOR, SENIOR = 1, 2
_PERIOD_NS = 1_000_000_000
_SESSIONS_A_SECOND = 20_000  # of larger tables the rates are learnt less often
_MEMORY_PERIODS = 20
_LEAST_REPLIES = 3  # one request from each of many ports is no session
_LEAST_PER_S = 0.05  # slower senders are not told from a flood over all ports
_SAVED_S = 0.1  # so many seconds of its share may be requested at once, and two more
_PRESSED_PER_S = 10.0  # what may be learnt while not all is answered


class Seniority:
    """The shares of the sessions of a table. `now_ns` is monotonic."""

    def __init__(self, sessions: SessionTable) -> None:
        self._sessions = sessions
        self._learnt_ns: int | None = None
        self._all_answered = True  # of the present period

    def learn(self, now_ns: int) -> None:
        """Once a second, take note of how often each session was answered since."""
        if self._learnt_ns is None:
            self._learnt_ns = now_ns
        sessions, since_ns = self._sessions, now_ns - self._learnt_ns
        if since_ns < _PERIOD_NS * max(1.0, sessions.count / _SESSIONS_A_SECOND):
            return
        self._learnt_ns = now_ns
        rows, elapsed_s = sessions.rows[: sessions.count], since_ns / 1e9
        answered_per_s = (rows["sequence"] - rows["learnt_sequence"]) / elapsed_s
        rows["learnt_sequence"] = rows["sequence"]
        rows["periods"] = np.minimum(rows["periods"] + 1, _MEMORY_PERIODS)
        before = rows["per_s"]
        per_s = before + (answered_per_s - before) / rows["periods"]
        most = np.where(rows["pressed"], np.maximum(before, _PRESSED_PER_S), np.inf)
        rows["per_s"] = per_s = np.minimum(per_s, most)
        rows["pressed"] = False
        stands = (rows["sequence"] >= _LEAST_REPLIES) & (rows["periods"] > 1)
        stands &= per_s >= _LEAST_PER_S
        rows["empty_ns"] = np.where(stands & (rows["seniority"] == 0), now_ns, rows["empty_ns"])
        senior = stands & (self._all_answered | (rows["seniority"] == SENIOR))
        rows["seniority"] = np.where(senior, SENIOR, np.where(stands, JUNIOR, 0))
        self._all_answered = True

    def seniority_of(self, slot: NDArray[np.int64], now_ns: int) -> NDArray[np.uint8]:
        """Return SENIOR or JUNIOR for those of n requests that are within their sessions' shares,
        uint8[n], and take them from there. `slot` is -1 where there is no session yet."""
        self._all_answered = False
        seniority_of = np.zeros(len(slot), np.uint8)
        known = slot >= 0
        of = slot[known]
        turn, each, size = turns(of)
        rows = self._sessions.rows
        rows["pressed"][each] = True
        seniority_of[known] = np.where(turn < self._share(of, now_ns), rows["seniority"][of], 0)
        gap_ns = 1e9 / np.maximum(rows["per_s"][each], _LEAST_PER_S)
        empty_ns = np.maximum(rows["empty_ns"][each], now_ns - self._most(each) * gap_ns)
        taken = np.minimum(size, self._share(each, now_ns))
        rows["empty_ns"][each] = empty_ns + taken * gap_ns
        return seniority_of

    def _most(self, slot: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how much of its share each session may claim at once."""
        most: NDArray[np.float64] = 2.0 + self._sessions.rows["per_s"][slot] * _SAVED_S
        return most

    def _share(self, slot: NDArray[np.int64], now_ns: int) -> NDArray[np.float64]:
        """Return how many replies each session may claim now."""
        rows = self._sessions.rows
        saved = (now_ns - rows["empty_ns"][slot]) * 1e-9 * rows["per_s"][slot]
        share = np.floor(np.minimum(saved, self._most(slot)) + 1e-9)
        return np.where(rows["seniority"][slot] > 0, share, 0.0)
