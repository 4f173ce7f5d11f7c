"""How the clocks of a case behave, and whether what they claim could be found out by physics."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lab.trial.case import Clocks

Phases = tuple[Clocks, ...]
OFFSETS_NS = (0.0, 0.3e6, 2e6, 50e6)
SKEW_PPM = 20.0


@dataclass(frozen=True, slots=True)
class Slack:
    """By how much each way's quickest probe is slower than light in fibre."""

    forward_ns: float
    backward_ns: float


def _offset(rng: np.random.Generator) -> float:
    return float(rng.choice(OFFSETS_NS) * rng.choice((-1.0, 1.0)))


def _honest_bound(rng: np.random.Generator, offset_ns: float) -> float:
    """Return a bound that holds: anything from just enough to half as much again, and 20 µs."""
    return abs(offset_ns) * float(rng.uniform(1.0, 1.5)) + float(rng.uniform(1e3, 40e3))


def tight(rng: np.random.Generator, _slack: Slack) -> Phases:
    """Draw clocks kept by PTP."""
    offset = float(rng.uniform(-1e3, 1e3))
    return (Clocks(offset_ns=offset, bound_ns=float(rng.uniform(1e3, 2e3))),)


def honest(rng: np.random.Generator, _slack: Slack) -> Phases:
    """Draw clocks that are wrong by no more than they say."""
    offset = _offset(rng)
    return (Clocks(offset_ns=offset, bound_ns=_honest_bound(rng, offset)),)


def unsynchronised(rng: np.random.Generator, _slack: Slack) -> Phases:
    """Draw clocks that say nothing of themselves."""
    return (Clocks(offset_ns=_offset(rng)),)


def drifting(rng: np.random.Generator, _slack: Slack) -> Phases:
    """Draw clocks that part at up to 20 ppm, and say so as their bound grows."""
    offset = float(rng.uniform(-20e3, 20e3))
    bound = _honest_bound(rng, offset)
    skew = float(rng.uniform(-SKEW_PPM, SKEW_PPM))
    return (Clocks(offset_ns=offset, skew_ppm=skew, bound_ns=bound, growth_ppm=SKEW_PPM),)


def drifting_unsynchronised(rng: np.random.Generator, _slack: Slack) -> Phases:
    """Draw clocks that part at 20 ppm and say nothing."""
    return (Clocks(offset_ns=_offset(rng), skew_ppm=float(rng.choice((-1, 1))) * SKEW_PPM),)


def stepped(rng: np.random.Generator, _slack: Slack) -> Phases:
    """Draw a clock that is put right half-way: its bound held before, and holds after."""
    before, after = _offset(rng), float(rng.uniform(-20e3, 20e3))
    return (
        Clocks(offset_ns=before, bound_ns=_honest_bound(rng, before)),
        Clocks(offset_ns=after, bound_ns=_honest_bound(rng, after)),
    )


def stepped_into_trust(rng: np.random.Generator, _slack: Slack) -> Phases:
    """Draw a clock that is not synchronised at first, then stepped and bounded (or the reverse)."""
    wrong = Clocks(offset_ns=_offset(rng))
    right = float(rng.uniform(-20e3, 20e3))
    good = Clocks(offset_ns=right, bound_ns=_honest_bound(rng, right))
    return (wrong, good) if rng.random() < 0.7 else (good, wrong)


def lying_plainly(rng: np.random.Generator, slack: Slack) -> Phases:
    """Draw a clock whose claim contradicts light in fibre on this very path."""
    bound = float(rng.uniform(10e3, 50e3))
    for offset in rng.permutation(OFFSETS_NS[1:]):
        signed = float(offset * rng.choice((-1.0, 1.0)))
        if refuted(signed, bound, slack):
            return (Clocks(offset_ns=signed, bound_ns=bound),)
    return (Clocks(offset_ns=OFFSETS_NS[-1], bound_ns=bound),)


def lying_subtly(rng: np.random.Generator, slack: Slack) -> Phases:
    """Draw a clock whose claim is false, though no probe of this path can show it."""
    bound = float(rng.uniform(10e3, 50e3))
    room = slack.backward_ns if rng.random() < 0.5 else -slack.forward_ns
    wished = float(rng.choice((0.3e6, 2e6)))
    return (Clocks(offset_ns=math.copysign(min(wished, abs(room)), room), bound_ns=bound),)


def refuted(offset_ns: float, bound_ns: float, slack: Slack) -> bool:
    """Return whether a probe must seem to outrun light, by more than the bound can explain.

    A far clock ahead (offset > 0) makes the way back too short, one behind the way there.
    """
    margin = 1e3  # timestamps are rounded, and the quickest probe is not quite without queueing
    return offset_ns > slack.backward_ns + bound_ns + margin or (
        -offset_ns > slack.forward_ns + bound_ns + margin
    )


STYLES: dict[str, Callable[[np.random.Generator, Slack], Phases]] = {
    style.__name__: style
    for style in (
        tight,
        honest,
        unsynchronised,
        drifting,
        drifting_unsynchronised,
        stepped,
        stepped_into_trust,
        lying_plainly,
        lying_subtly,
    )
}
