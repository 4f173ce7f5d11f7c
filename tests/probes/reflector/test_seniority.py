"""Who forges a peer's address, however fast, takes nothing from that peer's true probes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from probes.reflector.limits import Limits
from probes.reflector.sessions import SessionTable, Sources

S = 1_000_000_000
TICK_NS = S // 100
PEER = np.uint64(0xFFFF_0000_0000 | 0xC000_0201)  # 192.0.2.1
TRUE_PORT, TRUE_PER_TICK = 40_000, 1  # 100 per second
Ports = Callable[[np.random.Generator, int], np.ndarray]


def of_peer(ports: np.ndarray) -> Sources:
    count = len(ports)
    return Sources(np.zeros(count, np.uint64), np.full(count, PEER), ports.astype(np.uint16))


class Asked:
    """A reflector's limits and sessions, asked a hundred times per second."""

    def __init__(self, per_s: float = 200_000.0, per_s_per_source: float | None = 1_000.0) -> None:
        self.sessions = SessionTable()
        self.limits = Limits(per_s, per_s_per_source, self.sessions)
        self.now_ns = 0
        self.generator = np.random.default_rng(1)
        self.answered = 0  # of all

    def ask(self, seconds: int, flood_per_s: int = 0, ports: Ports | None = None) -> float:
        """Return the ratio of true probes that were not answered."""
        lost = asked = 0
        for _ in range(seconds * 100):
            self.now_ns += TICK_NS
            forged = np.zeros(0) if ports is None else ports(self.generator, flood_per_s // 100)
            port = np.concatenate([forged, np.full(TRUE_PER_TICK, TRUE_PORT)])
            port = self.generator.permutation(port)
            granted = self.grants(of_peer(port))
            true = port == TRUE_PORT
            lost += int(np.count_nonzero(true & ~granted))
            asked += TRUE_PER_TICK
            self.answered += int(np.count_nonzero(granted))
        return lost / asked

    def grants(self, sources: Sources) -> np.ndarray:
        self.limits.learn(self.now_ns)
        ssid = np.zeros(len(sources.port), np.uint16)

        def slots(of: np.ndarray) -> np.ndarray:
            return self.sessions.find(sources.take(of), ssid[of], 1)

        granted, _ = self.limits.grants(sources, self.now_ns, slots, authenticated=False)
        row = np.flatnonzero(granted)
        slot = self.sessions.slots(sources.take(row), ssid[row], 1, self.now_ns)
        self.sessions.take_sequence(slot)
        return granted


def ever_others(generator: np.random.Generator, count: int) -> np.ndarray:
    return generator.integers(1024, 39_999, count)


def always_one(generator: np.random.Generator, count: int) -> np.ndarray:
    return np.full(count, 50_000)


def hundreds(generator: np.random.Generator, count: int) -> np.ndarray:
    return generator.integers(50_000, 50_500, count)


def some(generator: np.random.Generator, count: int) -> np.ndarray:
    return generator.integers(50_000, 50_032, count)


@pytest.mark.parametrize("flood_per_s", [1_500, 5_000, 50_000])
@pytest.mark.parametrize("ports", [ever_others, always_one, some, hundreds])
def test_flood_in_the_name_of_a_peer_takes_none_of_its_true_probes(
    ports: Ports, flood_per_s: int
) -> None:
    asked = Asked()
    assert asked.ask(4) == 0
    asked.answered = 0
    assert asked.ask(10, flood_per_s, ports) == 0
    assert asked.answered <= 10 * 1_000 + 150  # and no more is answered than the owner allows


def test_limit_of_all_is_kept_for_sessions_in_the_same_way() -> None:
    asked = Asked(per_s=1_000.0, per_s_per_source=None)
    assert asked.ask(4) == 0
    assert asked.ask(5, 20_000, ever_others) == 0


def test_sender_that_begins_under_a_flood_has_its_share_within_seconds() -> None:
    asked = Asked()
    asked.ask(10, 5_000, ever_others)
    assert asked.ask(3, 5_000, ever_others) < 0.85  # one of five is let through at first


def test_flood_that_grew_slowly_leaves_sessions_what_they_had() -> None:
    asked = Asked()
    for flood_per_s in (300, 600, 800):
        assert asked.ask(4, flood_per_s, ever_others) == 0
    assert asked.ask(8, 5_000, ever_others) < 0.02
