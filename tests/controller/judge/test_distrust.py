"""Stamps that do not add up are not believed."""

from dataclasses import replace

import numpy as np

from controller.judge.distrust import broken_stamps, distrust, identity_gap_ns
from controller.judge.evidence import UNDECIDED
from controller.judge.verdicts import judge

MS = 1e6


def ways(evidence, **known):
    rng = np.random.default_rng(1)
    there = [2 * MS + rng.exponential(0.1 * MS, 200) for _ in range(2)]
    trips = [2 * one + 0.4 * MS for one in there]
    return evidence(trips, there, bound=10e3, floor=1 * MS, **known)


def test_ways_add_up_to_the_round_trip_whatever_the_clocks_say(evidence):
    for offset in (0.0, 0.3 * MS, -50 * MS):
        seen = ways(evidence, offset=offset)
        assert np.abs(identity_gap_ns(seen)).max() < 1.0
        assert not broken_stamps(seen).any()


def test_ways_that_do_not_add_up_lose_their_clocks(evidence, rules):
    seen = ways(evidence)
    seen = replace(seen, forward_mean_ns=seen.forward_mean_ns + np.array([0.0, 0.5 * MS]))
    nowhere = np.full(2, -1)
    sound, liar = distrust(seen, nowhere, nowhere, 0)
    assert np.isnan(sound.clock_bound_ns).tolist() == [False, True]
    assert not len(liar)
    asked = rules(2, limit=3 * MS, direction="one_way")
    assert judge(seen, asked).verdict[1] != UNDECIDED
    assert judge(sound, asked).verdict[1] == UNDECIDED


def test_what_is_not_of_the_same_probes_is_not_compared(evidence):
    seen = ways(evidence)
    fewer = replace(
        seen, forward=seen.forward.take(np.array([0, 1])), backward=seen.rtt.take([0, 1])
    )
    fewer = replace(fewer, backward=type(seen.rtt).empty(2))
    assert np.isnan(identity_gap_ns(fewer)).all()
