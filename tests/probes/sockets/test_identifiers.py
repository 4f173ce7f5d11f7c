"""Identifiers of ICMP: whoever draws them, no two hold one."""

from __future__ import annotations

import numpy as np
import pytest

from foundation.errors import ResourceError
from probes.sockets import identifiers
from probes.sockets.identifiers import Identifiers


def alike() -> Identifiers:
    """All of these would draw the same."""
    return Identifiers(np.random.default_rng(7))


def test_engines_that_draw_alike_share_no_identifier() -> None:
    engines = [alike() for _ in range(3)]
    leases = [engine.lease() for _ in range(100) for engine in engines]
    numbers = [lease.number for lease in leases]
    assert len(set(numbers)) == 300
    assert 0 not in numbers
    for lease in leases:
        lease.close()


def test_what_is_given_back_is_leased_again() -> None:
    first, second = alike(), alike()
    lease = first.lease()
    number = lease.number
    lease.close()
    again = second.lease()
    assert again.number == number
    again.close()


def test_where_others_hold_every_name_ours_still_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identifiers, "_BLOCKS", 2)
    greedy, late = alike(), alike()
    held = [greedy.lease() for _ in range(127)]
    with pytest.raises(ResourceError):
        greedy.lease()
    numbers = [late.lease().number for _ in range(127)]
    assert len(set(numbers)) == 127
    for lease in held:
        lease.close()
