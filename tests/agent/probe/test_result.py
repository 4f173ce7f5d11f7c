"""What became of the probes of one target adds up, and what is unknown is no loss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.probe.result import Pace, TargetResult
from foundation.text import Text
from probes.remark import Remark

FEW = st.integers(0, 50)


def result(sent: int = 0, received: int = 0, unread: int = 0, in_flight: int = 0) -> TargetResult:
    return TargetResult(
        target="t",
        protocol="icmp",
        sent=sent,
        received=received,
        unread=unread,
        in_flight=in_flight,
    )


@given(FEW, FEW, FEW, FEW)
def test_every_probe_that_was_sent_is_one_of_four(
    lost: int, received: int, unread: int, in_flight: int
) -> None:
    made = result(lost + received + unread + in_flight, received, unread, in_flight)
    assert made.lost == lost
    known = lost + received
    assert made.loss_ratio == (lost / known if known else None)


def test_of_nothing_known_there_is_no_loss_ratio() -> None:
    assert result().loss_ratio is None
    assert result(sent=5, in_flight=3, unread=2).loss_ratio is None
    assert result(sent=5, in_flight=4).loss_ratio == 1.0


def test_a_machine_is_slow_only_where_it_was_late_time_and_again() -> None:
    made = result()
    assert not made.slow  # nothing was asked for
    made.pace = Pace(asked_rate=100.0, sent_rate=90.0)
    assert (made.pace.kept_ratio, made.slow) == (pytest.approx(0.9), False)
    made.pace = Pace(asked_rate=100.0, sent_rate=50.0, late=True)
    assert made.slow


def test_an_error_is_told_before_the_remarks() -> None:
    words = Text("So it is.", "如此。")
    error, remark = Remark("no_such_host", words), Remark("late_answers", words)
    made = result()
    assert made.told() == []
    made.remarks = [remark]
    made.error = error
    assert made.told() == [error, remark]
