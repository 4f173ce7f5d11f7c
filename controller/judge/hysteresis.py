"""Verdicts that do not flap: a change is shown once it has stood for some rounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.judge.evidence import FAIL, PASS, UNDECIDED

CONFIRMATIONS = 2  # rounds, docs/concepts/measurement.md §4.3


@dataclass(frozen=True, slots=True)
class Settled:
    """What is shown, what may come to be shown, and for how many rounds it has stood, int8[n]."""

    shown: NDArray[np.int8]
    candidate: NDArray[np.int8]
    rounds: NDArray[np.int8]

    @staticmethod
    def first(verdict: NDArray[Any]) -> Settled:
        """Return the state after the first round: it is shown at once."""
        code = np.asarray(verdict, np.int8)
        return Settled(code, code, np.ones(len(code), np.int8))


def settle(previous: Settled, verdict: NDArray[Any], confirmations: int = CONFIRMATIONS) -> Settled:
    """Return the state after one more round with these verdict codes.

    Only changes among pass, fail and undecided wait to be confirmed; the coming or going of data,
    and impossibility, are facts and are shown at once.
    """
    code = np.asarray(verdict, np.int8)
    same = code == previous.candidate
    rounds = np.where(same, np.minimum(previous.rounds.astype(np.int64) + 1, 100), 1)
    judged = (PASS, FAIL, UNDECIDED)
    waits = np.isin(code, judged) & np.isin(previous.shown, judged)
    ready = ~waits | (rounds >= confirmations)
    shown = np.where(ready, code, previous.shown)
    return Settled(shown.astype(np.int8), code, rounds.astype(np.int8))
