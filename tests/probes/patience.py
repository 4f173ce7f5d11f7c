"""Waiting that ends as soon as what is waited for is there, and not because a machine stood still.

An engine counts a probe as lost once its time-out and a linger are over. A test whose machine
stands still for as long would see losses that nobody made. So in tests engines wait far longer
(`PATIENCE_NS`), and the test, which knows how many answers will come, says when to give up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from probes.engine.engine import Engine

PATIENCE_S = 60.0  # a hang, not slowness
PATIENCE_NS = 30_000_000_000
_FAR_NS = 10**15


def wait_until(condition: Callable[[], object]) -> None:
    """Return once `condition()` holds; it is to come true whatever the machine does."""
    give_up_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_s, "it never came true"
        threading.Event().wait(0.002)


def give_up(engine: Engine) -> None:
    """Let an engine wait for no answer any more: those that will come are there."""
    ledger = engine._ledger
    overdue = ledger.overdue
    ledger.overdue = lambda now_ns: overdue(now_ns + _FAR_NS)  # type: ignore[method-assign]  # one ledger's


def finish(engine: Engine, *, answered: int | None = None) -> None:
    """Wait until every probe has an outcome. `answered` says how many will have an answer:
    once they have, the others are given up. Absent, all are answered or fail by themselves."""
    if answered is not None:
        wait_until(lambda: engine.health().probes_received >= answered)
        give_up(engine)
    assert engine.wait_until_finished(PATIENCE_S)
