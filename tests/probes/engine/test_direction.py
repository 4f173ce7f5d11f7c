"""Which way a lost probe was lost, by the sequence numbers of a stateful reflector."""

from __future__ import annotations

from engine_parts import ledger_with
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.engine.direction import BACKWARD, FORWARD, UNKNOWN, directions_of_loss
from probes.engine.ledger import LOST, ON_TIME


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["ok", "forward", "backward"]), min_size=1, max_size=30))
def test_losses_between_two_answers_are_split_exactly(middle: list[str]) -> None:
    outcomes = ["forward", "ok", *middle, "ok"]
    ledger, rows = ledger_with(len(outcomes))
    reflector = 0
    for row, outcome in zip(rows, outcomes, strict=True):
        ledger.rows["state"][row] = ON_TIME if outcome == "ok" else LOST
        if outcome != "forward":
            ledger.rows["reflector"][row] = reflector if outcome == "ok" else -1
            reflector += 1
    ledger.sessions["stateful"] = True
    lost = rows[[i for i, outcome in enumerate(outcomes) if outcome != "ok" and i > 0]]
    found = directions_of_loss(ledger, lost)
    assert (found == FORWARD).sum() == middle.count("forward")
    assert (found == BACKWARD).sum() == middle.count("backward")


def test_a_restarted_reflector_leaves_the_direction_unknown() -> None:
    ledger, rows = ledger_with(5)
    ledger.rows["state"][rows] = [ON_TIME, ON_TIME, LOST, ON_TIME, ON_TIME]
    ledger.rows["reflector"][rows] = [7, 8, -1, 0, 1]
    ledger.sessions["stateful"] = True
    assert directions_of_loss(ledger, rows[2:3]).tolist() == [UNKNOWN]
