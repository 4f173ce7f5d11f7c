"""What was offered is in doubt until the controller has said what became of it."""

from __future__ import annotations

from messages.chunk import decode_chunk
from tests.agent.conftest import MakeWindows
from tests.agent.spool.spool_trial import Trial, trial_of


def offered(trial: Trial, oldest: int = 3, newest: int = 2) -> list[int]:
    return [one.sequence for one in trial.do(trial.spooler.offers.offer, oldest, newest)]


def test_those_in_doubt_are_offered_again_before_any_other(make_windows: MakeWindows) -> None:
    with trial_of(make_windows) as trial:
        for _ in range(6):
            trial.measure(1)
        assert offered(trial, 1, 1) == [6, 1]
        assert offered(trial, 2, 1) == [6, 1, 5]


def test_what_the_controller_surely_lacks_is_in_doubt_no_more(make_windows: MakeWindows) -> None:
    with trial_of(make_windows) as trial:
        for _ in range(4):
            trial.measure(1)
        trial.do(trial.spooler.offers.withdraw, offered(trial, 1, 1))
        assert trial.spooler.sent_counters.deliveries.in_doubt() == {}
        trial.do(trial.spooler.offers.offer, 1, 1)
        again = offered(trial, 1, 1)  # it may have these from the time before
        trial.do(trial.spooler.offers.withdraw, again)
        assert list(trial.spooler.sent_counters.deliveries.in_doubt()) == again


def test_a_chunk_that_was_postponed_waits_alone_until_it_is_hurried(
    make_windows: MakeWindows,
) -> None:
    with trial_of(make_windows) as trial:
        for _ in range(3):
            trial.measure(1)
        trial.do(trial.spooler.offers.postpone, {2: 1e6})
        assert sorted(offered(trial)) == [1, 3]
        assert trial.do(trial.spooler.offers.count_postponed) == 1
        trial.do(trial.spooler.offers.hurry)
        assert sorted(offered(trial)) == [1, 2, 3]


def test_a_chunk_that_is_gone_is_not_counted_as_postponed(make_windows: MakeWindows) -> None:
    with trial_of(make_windows) as trial:
        trial.measure(1)
        trial.do(trial.spooler.offers.postpone, {1: 1e6})
        trial.do(trial.spooler.offers.refuse, 1, "no")
        assert trial.do(trial.spooler.offers.count_postponed) == 0
        assert trial.dropped() == {"refused": 1}


def test_a_chunk_in_doubt_is_not_dropped_for_want_of_room(make_windows: MakeWindows) -> None:
    with trial_of(make_windows) as trial:
        trial.measure(2)
        trial.deliver(1, False)  # the controller has it, and the agent never hears of it
        for _ in range(20):
            trial.measure(4)
        trial.check()
        trial.end()
        assert (trial.spooler.boot, 1) in trial.stored


def test_chunk_acknowledged_while_the_disk_fails_is_not_sent_again(
    make_windows: MakeWindows,
) -> None:
    with trial_of(make_windows) as trial:
        trial.measure(1)
        trial.freeze(True)
        trial.do(trial.spooler.offers.acknowledge, [1])
        assert offered(trial) == []
        trial.freeze(False)
        assert trial.do(trial.spooler.do_state).chunks == 0


def test_a_question_is_a_chunk_that_holds_nothing(make_windows: MakeWindows) -> None:
    """So that a controller takes it by the rules that it has."""
    with trial_of(make_windows, 1 << 20) as trial:
        trial.fill()
        trial.measure(1)
        before = trial.do(trial.spooler.offers.offer, 0, 1)[0]
        trial.kill()
        asked = trial.do(trial.spooler.offers.offer, 0, 1)[0]
        one, other = decode_chunk(before.payload), decode_chunk(asked.payload)
        assert (one.boot, one.sequence) == (other.boot, other.sequence)
        assert other.batch.rows == 0


def test_a_question_that_is_asked_again_finds_no_answer_in_itself(
    make_windows: MakeWindows,
) -> None:
    """The controller has taken it, and kill -9 came before the agent heard of that."""
    with trial_of(make_windows, 1 << 20) as trial:
        trial.fill()
        trial.measure(3)
        trial.deliver(0, False)
        trial.kill()
        trial.deliver(5, False)
        trial.kill()
        trial.end()
        assert list(trial.dropped()) == ["cut_off"]
