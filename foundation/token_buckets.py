"""How often one caller may ask: a bucket of tokens for each, filled at a steady rate."""

from __future__ import annotations

from foundation.clock import Clock

MAX_CALLERS = 10_000


class Buckets:
    """One bucket of `burst` tokens a caller, filled with `rate` tokens a second."""

    def __init__(self, clock: Clock, rate: float, burst: int) -> None:
        self._clock, self._rate, self._burst = clock, rate, burst
        self._tokens: dict[str, tuple[float, int]] = {}  # caller -> (tokens, as of)
        self.refused = 0

    def wait_s(self, caller: str) -> float:
        """Take a token: 0 if there was one, else in how many seconds there will be."""
        now_ns = self._clock.monotonic_ns()
        tokens, then_ns = self._tokens.get(caller, (float(self._burst), now_ns))
        tokens = min(self._burst, tokens + (now_ns - then_ns) * 1e-9 * self._rate)
        if tokens < 1:
            self.refused += 1
            return (1 - tokens) / self._rate
        if len(self._tokens) >= MAX_CALLERS and caller not in self._tokens:
            self._forget(now_ns)
        self._tokens[caller] = (tokens - 1, now_ns)
        return 0

    def _forget(self, now_ns: int) -> None:
        """Forget whoever has a full bucket again, or everybody if nobody has."""
        full_ns = self._burst / self._rate * 1e9
        kept = {c: held for c, held in self._tokens.items() if now_ns - held[1] < full_ns}
        self._tokens = kept if len(kept) < MAX_CALLERS else {}
