"""What ends a measurement early, once."""

import signal

import pytest

from foundation.results import are_hangups_handled, end_early_on_signals, results_follow


def hang_up() -> bool:
    """Send a hangup; tell whether it ended anything."""
    try:
        signal.raise_signal(signal.SIGHUP)
    except KeyboardInterrupt:  # which would end the test run
        return True
    return False


def test_the_first_hangup_ends_a_run_and_a_second_one_nothing() -> None:
    end_early_on_signals()
    assert hang_up()
    assert not hang_up()


def test_a_hangup_while_results_are_shown_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foundation.results._measured", [])
    end_early_on_signals()
    results_follow("probe")
    assert not hang_up()


def test_under_nohup_a_hangup_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    end_early_on_signals()
    assert not are_hangups_handled()
    assert not hang_up()


def test_a_termination_ends_a_run_as_ctrl_c_does() -> None:
    end_early_on_signals()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
