"""Errors of delays against the truth: collected over rounds, idle and busy, and tabulated."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.accounting import busy_machine
from bench.peers import Tool
from bench.report import in_turns

QUANTILES = (0.50, 0.90, 0.99)
WARM_UP = 5  # probes of each run that are not judged: neighbours are still being found
# Nor are its last: nobody follows up the last replies of a run (RFC 8972 §4.7 reports a reply in
# the next one). An agent's streams do not end.
COOL_DOWN = 5


@dataclass(frozen=True, slots=True)
class Errors:
    """|error| of each tool's delays in nanoseconds, idle and busy, by name of the tool."""

    idle: dict[str, NDArray[np.float64]]
    busy: dict[str, NDArray[np.float64]]

    def quantile(self, state: str, name: str, q: float) -> float:
        """Return a quantile in microseconds."""
        values = getattr(self, state)[name]
        values = values[~np.isnan(values)]
        if not len(values):
            return float("nan")
        return float(np.quantile(values, q, method="inverted_cdf")) / 1e3

    def cells(self, name: str) -> tuple[str, ...]:
        """Return the row of a tool: quantiles idle, quantiles busy."""
        return tuple(
            f"{self.quantile(state, name, q):,.1f}" for state in ("idle", "busy") for q in QUANTILES
        )


COLUMNS = tuple(f"{state} p{q * 100:.0f}" for state in ("idle", "busy") for q in QUANTILES)


def collect(
    tools: Sequence[Tool], error_of: Callable[[Tool], NDArray[np.float64]], rounds: int
) -> Errors:
    """Measure every tool in turns, then again with busy loops beside them."""
    found = []
    for state in (contextlib.nullcontext(), busy_machine()):
        with state:
            turns = in_turns(
                rounds, {tool.name: functools.partial(error_of, tool) for tool in tools}
            )
        found.append({name: np.abs(np.concatenate(parts)) for name, parts in turns.items()})
    return Errors(*found)
