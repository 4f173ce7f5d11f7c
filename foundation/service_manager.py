"""What a service tells the manager that started it (sd_notify(3)): ready, alive, stopping.

systemd names a datagram socket in NOTIFY_SOCKET; where nobody does, nothing is told. It kills and
starts again a service that has not said for WATCHDOG_USEC that it lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable

READY, STOPPING, ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"
_BEATS = 3  # in the time that the manager waits for one


def notify_manager(state: str) -> None:
    """Tell the service manager, if there is one. Never waits, never fails."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if place[:1] not in ("/", "@"):
        return
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock,
    ):
        sock.sendto(state.encode(), "\0" + place[1:] if place[0] == "@" else place)


class Heartbeat:
    """Tells the manager that this process lives, as long as `lives()` says so."""

    def __init__(self, lives: Callable[[], bool] = lambda: True) -> None:
        self._lives = lives

    async def run(self) -> None:
        """Tell it for ever; return at once where nobody asks for it."""
        period_s = _watchdog_s()
        if period_s is None:
            return
        while True:
            if self._lives():
                notify_manager(ALIVE)
            await asyncio.sleep(period_s / _BEATS)


def _watchdog_s() -> float | None:
    """Return within which time the manager wants to hear of this process."""
    try:
        period_us = int(os.environ.get("WATCHDOG_USEC", ""))
        whose = int(os.environ.get("WATCHDOG_PID", os.getpid()))
    except ValueError:
        return None
    return period_us / 1e6 if period_us > 0 and whose == os.getpid() else None
