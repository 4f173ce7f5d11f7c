"""How much is answered: in all, of each source, and of those who prove who they are."""

import numpy as np
import pytest
from reflector_parts import sources

from probes.reflector.limits import Limits
from probes.reflector.sessions import SessionTable, Sources

S = 1_000_000_000
TICK_NS = S // 100
PEER = np.uint64(0xFFFF_0000_0000 | 0xC000_0201)  # 192.0.2.1
TRUE_PORT = 40_000


def of_peer(ports: np.ndarray) -> Sources:
    """Return requests of one address from several ports."""
    count = len(ports)
    return Sources(np.zeros(count, np.uint64), np.full(count, PEER), ports.astype(np.uint16))


def nobody_known(of: np.ndarray) -> np.ndarray:
    """Return that no request is of a session."""
    return np.full(len(of), -1)


@pytest.mark.parametrize("flood_per_s", [1_500, 100_000])
def test_genuine_requests_have_limits_that_nothing_forged_is_charged_to(flood_per_s: int) -> None:
    limits = Limits(2_000.0, 1_000.0, SessionTable())
    now_ns = 0
    for _ in range(300):
        now_ns += TICK_NS
        forged = of_peer(np.full(flood_per_s // 100, 50_000))
        limits.grants(forged, now_ns, nobody_known, authenticated=False)
        granted, _ = limits.grants(of_peer(np.full(5, TRUE_PORT)), now_ns, None, authenticated=True)
        assert granted.all()


def test_what_one_request_is_refused_for_is_what_many_are() -> None:
    limits = Limits(200_000.0, 10.0, SessionTable())
    sources = of_peer(np.full(1, TRUE_PORT))
    (bucket,) = limits.buckets(sources)
    told = [limits.refusal(int(bucket), -1, 0, authenticated=False) for _ in range(3)]
    assert told == [None, "limited_by_source", "limited_by_source"]
    assert limits.refusal(int(bucket), -1, 0, authenticated=True) is None


def test_a_burst_is_a_tenth_of_a_second_and_then_the_rate_holds() -> None:
    limits, many = Limits(1_000.0, None, SessionTable()), of_peer(np.arange(5_000) % 60_000 + 1)
    at_once, _ = limits.grants(many, 0, nobody_known, authenticated=False)
    assert np.count_nonzero(at_once) == 100
    later, of_source = limits.grants(many, S // 20, nobody_known, authenticated=False)
    assert np.count_nonzero(later) == 50
    assert not of_source.any()  # there is no limit for each source


def test_what_a_loud_source_is_refused_takes_nothing_from_others() -> None:
    limits = Limits(1_000.0, 100.0, SessionTable())
    loud, quiet = of_peer(np.full(500, 1)), sources(("192.0.2.9", 5))
    granted, of_source = limits.grants(loud, 0, nobody_known, authenticated=False)
    assert np.count_nonzero(granted) == 10
    assert (granted ^ of_source).all()  # all others for their own limit's sake
    assert limits.grants(quiet, 0, nobody_known, authenticated=False)[0].all()


def test_sessions_are_asked_for_only_where_there_is_not_enough_for_all() -> None:
    limits = Limits(1_000.0, 100.0, SessionTable())

    def never(of: np.ndarray) -> np.ndarray:
        raise AssertionError("there is enough for all")

    assert limits.grants(of_peer(np.full(5, 1)), 0, never, authenticated=False)[0].all()


def test_without_a_limit_for_sources_they_have_no_buckets() -> None:
    table = SessionTable()
    assert Limits(1_000.0, None, table).buckets(of_peer(np.arange(3))).tolist() == [-1] * 3
    numbered = Limits(1_000.0, 10.0, table).buckets(of_peer(np.arange(3)))
    assert len(set(numbered.tolist())) == 1  # one address, whatever the port
    assert numbered[0] >= 0


def test_limit_of_all_is_told_apart_from_that_of_a_source() -> None:
    limits = Limits(10.0, None, SessionTable())
    told = [limits.refusal(-1, -1, 0, authenticated=False) for _ in range(3)]
    assert told == [None, "limited", "limited"]
    assert limits.refusal(-1, -1, S // 10, authenticated=False) is None
