"""One trial from end to end."""

from __future__ import annotations

from lab.trial.cases import draw_cases
from lab.trial.families import FAMILIES
from lab.trial.score import try_cases
from lab.trial.summary import Summary, summarise

BEYOND_SHARE = 0.1  # cases beyond the promise, for every case within it


def run_trial(cases: int, seed: int) -> Summary:
    """Try `cases` cases of the promised families, and a tenth as many of the others."""
    promised = [family for family in FAMILIES if family.promised]
    beyond = [family for family in FAMILIES if not family.promised]
    drawn = draw_cases(promised, cases, seed)
    drawn += draw_cases(beyond, max(1, round(cases * BEYOND_SHARE)), seed + 1)
    return summarise(FAMILIES, try_cases(drawn, seed), seed)
