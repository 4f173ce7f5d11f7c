"""Loss against its limit: exact intervals and, while data come in, a test that may be repeated."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from controller.judge import needs
from controller.judge.evidence import (
    DIRECTIONS,
    FAIL,
    PASS,
    TERMS,
    UNDECIDED,
    Evidence,
    Judgements,
    Rules,
    decide,
)
from controller.judge.loss import evidence_reaches, greatest_ratio, least_ratio, scale_position
from controller.judge.reading import Readable

Integers = NDArray[np.int64]
Looks = Literal["repeated", "once"]

ONE_WAY = DIRECTIONS.index("one_way")


def judge_loss(
    evidence: Evidence,
    known: Readable,
    rules: Rules,
    at: Integers,
    alpha: float,
    answer: Judgements,
    looks: Looks,
) -> None:
    """Judge the rules `at` on how many of the probes sent were lost, in their direction."""
    if not len(at):
        return
    row, limit = rules.row[at], rules.limit[at]
    thinning = known.loss_thinning[row]
    sent = evidence.sent[row] / thinning
    one_way = rules.direction[at] == ONE_WAY
    total = evidence.lost[row]
    down = evidence.received[row] == 0
    surely = np.where(one_way & ~down, evidence.lost_forward[row], total)
    possibly = np.where(one_way & ~down, total - evidence.lost_backward[row], total)
    low = least_ratio(surely / thinning, sent, alpha)
    high = greatest_ratio(possibly / thinning, sent, alpha)
    verdict = decide(low, high, rules.limit_low[at], rules.limit_high[at])
    if looks == "repeated":
        for side, lost in ((PASS, possibly), (FAIL, surely)):
            chosen = np.flatnonzero(verdict == side)
            held = evidence_reaches(
                lost[chosen] / thinning[chosen],
                sent[chosen],
                limit[chosen],
                below=side == PASS,
                needed=float(np.log(2 / alpha)),
            )
            hasty = chosen[~held]
            verdict[hasty] = UNDECIDED
            # The limit cannot be ruled out yet, so the interval published reaches to it.
            if side == PASS:
                high[hasty] = np.nextafter(rules.limit_low[at][hasty], np.inf)
            else:
                low[hasty] = limit[hasty]
    ratio = np.where(surely == possibly, surely, np.nan) / evidence.sent[row]
    answer.verdict[at], answer.low[at], answer.high[at] = verdict, low, high
    answer.measured[at] = ratio
    answer.position[at] = scale_position(ratio)
    whole = total / evidence.sent[row]
    answer.other_reading[at] = np.where(one_way, whole, np.nan)
    split = (surely != possibly) & (verdict == UNDECIDED)
    answer.term[at] = np.where(
        verdict != UNDECIDED,
        TERMS.index("value"),
        np.where(split, TERMS.index("asymmetry"), TERMS.index("samples")),
    )
    waiting = np.flatnonzero((verdict == UNDECIDED) & ~split)
    needed = (
        needs.samples_for_loss(ratio[waiting], limit[waiting], alpha, looks) * thinning[waiting]
    )
    answer.needed_samples[at[waiting]] = needs.still(needed, evidence.sent[row[waiting]])
