"""Each condition is logged once when it begins and once when it ends, and reports have room."""

import logging

import pytest

from agent.conditions import Conditions, reported
from foundation.condition import Condition
from foundation.text import MAX_SENTENCE, Text
from messages.exchange import MAX_CONDITIONS

FULL, FULLER = Text("The disk is full.", "磁盘已满。"), Text("It is fuller.", "更满了。")


def test_the_words_of_a_condition_may_change_while_it_holds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    conditions = Conditions()
    with caplog.at_level(logging.INFO, "isochrone.agent"):
        conditions.begin("disk", "error", FULL)
        conditions.begin("disk", "warning", FULLER)
        assert conditions.current() == (Condition(code="disk", severity="warning", text=FULLER),)
        conditions.end("disk")
        conditions.end("disk")
    assert conditions.current() == ()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "The disk is full."),
        ("INFO", "Over: disk."),
    ]


def condition(number: int, text: Text = FULL) -> Condition:
    return Condition(code=f"c{number}", severity="info", text=text)


def test_what_a_report_has_no_room_for_is_counted() -> None:
    fitting = tuple(condition(number) for number in range(MAX_CONDITIONS))
    assert reported(fitting) == fitting
    told = reported((*fitting, condition(99)))
    assert told[:-1] == fitting[:-1]
    assert told[-1].text.en.startswith("2 more conditions")


def test_a_sentence_is_cut_where_a_report_would_be_refused_for_its_length() -> None:
    long = Text("x" * (MAX_SENTENCE + 1), "长" * (MAX_SENTENCE + 1))
    (told,) = reported([condition(1, long)])
    assert (len(told.text.en), len(told.text.zh)) == (MAX_SENTENCE, MAX_SENTENCE)
