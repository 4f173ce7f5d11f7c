"""Timestamps that do not add up are not believed."""

from dataclasses import replace

import numpy as np

from controller.judge.distrust import broken_timestamps, distrust, identity_gap_ns
from controller.judge.evidence import CLOCK_FAULTS, UNDECIDED
from controller.judge.explain import explain
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
        assert not broken_timestamps(seen).any()


def test_ways_that_do_not_add_up_lose_their_clocks(evidence, rules):
    seen = ways(evidence)
    seen = replace(seen, forward_mean_ns=seen.forward_mean_ns + np.array([0.0, 0.5 * MS]))
    nowhere = np.full(2, -1)
    sound, found = distrust(seen, nowhere, nowhere, 0)
    assert np.isnan(sound.clock_bound_ns).tolist() == [False, True]
    assert not len(found.liar)
    assert [CLOCK_FAULTS[code] for code in sound.clock_doubt] == ["none", "broken_timestamps"]
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


def test_a_verdict_that_the_mesh_takes_the_clock_from_says_so(evidence, rules):
    """Nodes 0, 1, 2; the clock of node 2 is 20 ms off and claims 10 µs."""
    rng = np.random.default_rng(2)
    there = [20 * MS + rng.exponential(0.1 * MS, 200) for _ in range(3)]
    seen = evidence([2 * one + 0.2 * MS for one in there], there, bound=10e3, floor=19 * MS)
    off = np.array([0.0, 1 * MS, 1 * MS])  # within the room that each path leaves by itself
    shift = {f"forward_{end}_ns": getattr(seen, f"forward_{end}_ns") + off for end in _ENDS}
    shift |= {f"backward_{end}_ns": getattr(seen, f"backward_{end}_ns") - off for end in _ENDS}
    seen = replace(seen, floor_ns=np.array([19.9, 19.9, 19.9]) * MS, **shift)
    source, destination = np.array([0, 0, 1]), np.array([1, 2, 2])
    sound, found = distrust(seen, source, destination, 3)
    assert found.liar.tolist() == [False, False, True]
    assert found.triangles.tolist() == [1, 1, 1]
    assert [CLOCK_FAULTS[code] for code in sound.clock_doubt] == [
        "none",
        "refuted_by_mesh",
        "refuted_by_mesh",
    ]
    asked = rules(3, limit=20.2 * MS, direction="one_way", statistic="p50")
    said = judge(sound, asked)
    assert said.verdict.tolist()[1:] == [UNDECIDED, UNDECIDED]
    reason = explain(sound, asked, said, 2)
    assert "the clock at one end is suspected" in reason.en
    assert "一端的时钟可疑" in reason.zh


_ENDS = ("min", "mean", "max")
