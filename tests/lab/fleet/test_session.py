"""A run of the lab that is ended early is compared; a terminal that goes away then ends nothing."""

import signal

import pytest

from lab.fleet.session import ended_by_signals, may_end_early


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_ends_the_measuring_alone(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGHUP)
    with ended_by_signals():
        with may_end_early():
            signal.raise_signal(number)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        signal.raise_signal(signal.SIGHUP)  # while it is compared
    assert signal.getsignal(signal.SIGHUP) is before
    assert capsys.readouterr().err.count("\n") == 1


def test_a_signal_while_the_fleet_starts_ends_the_run() -> None:
    with pytest.raises(SystemExit) as stop, ended_by_signals():
        signal.raise_signal(signal.SIGTERM)
    assert stop.value.code == 128 + signal.SIGTERM


def test_under_nohup_a_hangup_ends_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals(), may_end_early():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
