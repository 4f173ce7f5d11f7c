"""The agent measures its own timestamps over loopback, and says so when they are poor."""

import errno
import os

from agent.conditions import Conditions
from agent.self_test import SelfTest
from probes.clocks.calibrate import Calibration


def test_a_real_self_test_finds_kernel_timestamps_and_an_error() -> None:
    conditions = Conditions()
    test = SelfTest(conditions)
    assert test.calibration_ns is None
    test.look()
    assert test.calibration_ns is not None
    assert test.calibration_ns > 0
    assert conditions.current() == ()


def test_a_machine_without_kernel_timestamps_is_told_of() -> None:
    conditions = Conditions()
    poor = Calibration(timestamping="user", packets=9, systematic_ns=5e4, random_ns=2e4)
    test = SelfTest(conditions, lambda: poor)
    test.look()
    assert test.calibration_ns == 50_000
    assert [condition.code for condition in conditions.current()] == ["self_test"]


def test_a_failed_self_test_leaves_the_error_unknown_and_says_why() -> None:
    def fail() -> Calibration:
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))

    conditions = Conditions()
    test = SelfTest(conditions, fail)
    test.look()
    assert test.calibration_ns is None
    assert "unreachable" in conditions.current()[0].text.en
