"""How well this machine timestamps packets: a short measurement of itself over loopback."""

from __future__ import annotations

import pytest

from probes.clocks.calibrate import calibrate


@pytest.mark.network
def test_calibration_finds_kernel_timestamps_on_loopback() -> None:
    found = calibrate()
    assert found.timestamping == "kernel"
    assert found.packets > 200
    assert 0 < found.error_ns < 1_000_000_000
