"""How long to wait before trying again: exponential with jitter, never in step with others."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Doubling ceilings with a uniform draw below them ("full jitter")."""

    first_s: float = 0.5
    longest_s: float = 30.0
    failures: int = 0
    generator: random.Random = field(default_factory=random.Random)

    def succeeded(self) -> None:
        """Start afresh after a success."""
        self.failures = 0

    def next_s(self) -> float:
        """Count a failure and return the seconds to wait."""
        ceiling = min(self.longest_s, self.first_s * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return self.generator.uniform(ceiling / 4, ceiling)

    def at_least_s(self, asked_s: float) -> float:
        """Return the wait that the other side asked for, spread by up to a quarter more."""
        return asked_s * self.generator.uniform(1.0, 1.25)
