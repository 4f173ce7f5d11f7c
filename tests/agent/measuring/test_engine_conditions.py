"""What an agent tells of its engine stays short, and names the number of what it leaves out."""

from __future__ import annotations

from agent.measuring.engine_conditions import at_most, broke, waiting_for_keys
from foundation.condition import Condition
from foundation.text import Text


def test_of_many_refused_streams_some_are_told_and_the_others_counted() -> None:
    refused = [
        Condition(code="stream_refused", severity="error", text=Text(str(n), str(n)))
        for n in range(5)
    ]
    assert at_most(refused, 5) == tuple(refused)
    *told, last = at_most(refused, 3)
    assert told == refused[:3]
    assert last.code == "streams_refused"
    assert "2 more streams" in last.text.en
    assert "2 条" in last.text.zh


def test_an_engine_that_broke_is_told_with_its_cause() -> None:
    error = RuntimeError("the probe engine broke")
    error.__cause__ = ValueError("seven")
    assert "ValueError: seven" in broke(error).en
    assert "3" in waiting_for_keys(3).zh
