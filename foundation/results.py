"""What a long measurement ends with: it is asked to end once, and says when its results follow.

Commands of every room say so here; the front door sees that what they print from then on is shown
or kept (agent.saved_results).
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

_measured: list[str] = []


def results_follow(command: str) -> None:
    """Say that what is printed from now on is what `command` measured."""
    _measured[:] = [command]
    ignore_hangups()


def measured_by() -> str | None:
    """Return which command's results are being printed; None while none are."""
    return _measured[0] if _measured else None


def end_early_on_signals() -> None:
    """Let SIGTERM, and a terminal that goes away, end a run as the first Ctrl-C does.

    A second SIGHUP changes nothing: shells and the kernel both send one as a terminal closes. One
    that is ignored (nohup) stays so.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if are_hangups_handled():
        signal.signal(signal.SIGHUP, _hang_up)


def are_hangups_handled() -> bool:
    """Tell whether a terminal that goes away is anything to this program (not under nohup)."""
    return signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN


def ignore_hangups() -> None:
    """Let a terminal that goes away now end nothing: results are still to be judged and kept."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _hang_up(_number: int, _frame: FrameType | None) -> None:
    ignore_hangups()
    raise KeyboardInterrupt
