"""The agent's doubt of itself: how well this machine timestamps packets, at start and hourly."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from agent.conditions import Conditions
from foundation.reasons import reason_of
from foundation.text import Text
from probes.clocks.calibrate import Calibration, calibrate

EVERY_S = 3600.0


class SelfTest:
    """Keeps the latest calibration; `calibration_ns` is e of RFC 7679 §3.7.3, None until known."""

    def __init__(
        self, conditions: Conditions, measure: Callable[[], Calibration] = calibrate
    ) -> None:
        self._conditions = conditions
        self._measure = measure
        self._latest: Calibration | None = None

    @property
    def calibration_ns(self) -> int | None:
        """Error of one delay between two timestamps of this machine, nanoseconds."""
        latest = self._latest
        if latest is None or math.isnan(latest.error_ns):
            return None
        return math.ceil(latest.error_ns)

    def look(self) -> None:
        """Measure once; takes some 50 ms, so call it on a worker thread."""
        try:
            self._latest = self._measure()
        except OSError as error:
            self._conditions.begin(
                "self_test",
                "warning",
                Text(
                    f"The self-test over loopback failed ({error.strerror}); the error of this "
                    "machine's timestamps is unknown. Bring the loopback interface up.",
                    f"环回自检失败（{reason_of(error).zh}），本机时间戳误差未知。请启用环回接口。",
                ),
            )
            return
        if self._latest.timestamping in ("kernel", "hardware"):
            self._conditions.end("self_test")
            return
        self._conditions.begin(
            "self_test",
            "warning",
            Text(
                "The kernel does not deliver timestamps here; delays are timestamped by the "
                "program and grow with the load of the machine. Use a newer kernel or another "
                "host.",
                "本机内核未提供时间戳，时延依据程序自行记录的时间戳，会随负载增大。请更换内核或主机。",
            ),
        )

    async def run(self) -> None:
        """Measure every hour, for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            await asyncio.to_thread(self.look)
