"""Loss against its limit: exact intervals and, while data come in, a test that may be repeated."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from controller.judge import undecided
from controller.judge.estimates import Readable
from controller.judge.evidence import (
    DIRECTIONS,
    FAIL,
    LIMITING_FACTORS,
    PASS,
    UNDECIDED,
    Evidence,
    Judgements,
    Rules,
    decide,
)
from controller.judge.loss import evidence_reaches, greatest_ratio, least_ratio, scale_position

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Looks = Literal["repeated", "once"]

STEP = 1.02  # design effects are told apart no finer, and rounded up: never too short an interval
ROOM = 2**62
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
    step = np.ceil(np.log(known.loss_design_effect[row]) / np.log(STEP) - 1e-9).astype(np.int64)
    effect = STEP**step
    one_way = rules.direction[at] == ONE_WAY
    total = evidence.lost[row]
    down = evidence.counters["received"][row] == 0
    surely = np.where(one_way & ~down, evidence.counters["lost_forward"][row], total)
    possibly = np.where(one_way & ~down, total - evidence.counters["lost_backward"][row], total)
    limits = (rules.limit_low[at], limit, rules.limit_high[at])
    same, kind = alike_rows(surely, possibly - surely, evidence.sent[row], step, *limits)
    counts = tuple(column[same] / effect[same] for column in (surely, possibly, evidence.sent[row]))
    found = _decided(counts, tuple(each[same] for each in limits), alpha, looks)
    verdict, low, high = (column[kind] for column in found)
    ratio = np.where(surely == possibly, surely, np.nan) / evidence.sent[row]
    answer.verdict[at], answer.low[at], answer.high[at] = verdict, low, high
    answer.measured[at] = ratio
    answer.position[at] = scale_position(ratio)
    whole = total / evidence.sent[row]
    answer.other_reading[at] = np.where(one_way, whole, np.nan)
    split = (surely != possibly) & (verdict == UNDECIDED)
    answer.limiting_factor[at] = np.where(
        verdict != UNDECIDED,
        LIMITING_FACTORS.index("value"),
        np.where(split, LIMITING_FACTORS.index("asymmetry"), LIMITING_FACTORS.index("samples")),
    )
    waiting = np.flatnonzero((verdict == UNDECIDED) & ~split)
    needed = (
        undecided.samples_for_loss(ratio[waiting], limit[waiting], alpha, looks) * effect[waiting]
    )
    answer.needed_samples[at[waiting]] = undecided.still_needed(needed, evidence.sent[row[waiting]])


def alike_rows(*columns: NDArray[Any]) -> tuple[Integers, Integers]:
    """Return (one row of each kind, the kind of each row): rows of a kind are alike in all columns.

    Streams of one plan have sent alike and lost a few each, so kinds are far fewer than rows.
    """
    key, room = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        low, high = column.min(), column.max()
        if low == high:
            continue
        code = column - low
        if code.dtype.kind == "f":
            code = np.unique(code, return_inverse=True)[1].astype(np.int64)
        span = int(code.max()) + 1
        if room * span > ROOM:
            key = np.unique(key, return_inverse=True)[1].astype(np.int64)
            room = int(key.max()) + 1
        key, room = key * span + code, room * span
    _, first, kind = np.unique(key, return_index=True, return_inverse=True)
    return first.astype(np.int64), kind.astype(np.int64)


def _decided(
    counts: tuple[Floats, ...],
    limits: tuple[Floats, ...],
    alpha: float,
    looks: Looks,
) -> tuple[NDArray[np.int8], Floats, Floats]:
    """Return (verdict, low, high) of (lost surely, lost possibly, sent) against limits, all [k].

    Counts are divided by the design effect; limits are (least, likely, greatest).
    """
    surely, possibly, sent = counts
    limit_low, limit, limit_high = limits
    low, high = least_ratio(surely, sent, alpha), greatest_ratio(possibly, sent, alpha)
    verdict = decide(low, high, limit_low, limit_high)
    for side, lost in ((PASS, possibly), (FAIL, surely)) if looks == "repeated" else ():
        chosen = np.flatnonzero(verdict == side)
        held = evidence_reaches(
            lost[chosen],
            sent[chosen],
            limit[chosen],
            below=side == PASS,
            needed=float(np.log(2 / alpha)),
        )
        premature = chosen[~held]
        verdict[premature] = UNDECIDED
        # The limit cannot be ruled out yet, so the interval published reaches to it.
        if side == PASS:
            high[premature] = np.nextafter(limit_low[premature], np.inf)
        else:
            low[premature] = limit[premature]
    return verdict, low, high
