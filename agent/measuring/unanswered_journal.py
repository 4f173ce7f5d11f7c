"""Whom this agent does not answer, why, and since when.

A probe that nobody answers looks like loss on the way. So an agent tells the controller of every
time in which a reflector of its plan did not answer: what its owner refuses, a port that is in
use, a missing key, a limit that was reached, and the time between its own end and its next start.
The journal is kept in the state directory, so that it is told even if the controller was away.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from foundation.clock import Clock
from foundation.input_files import read_input
from messages.exchange import Unanswered, UnansweredRule

JOURNAL_FILE = "unanswered.json"
# What is over is told again until so much came after it: by age, a wrong clock would forget it.
MOST_OVER = 256
_LOG = logging.getLogger("isochrone.agent")
_DECODER = msgspec.json.Decoder(tuple[Unanswered, ...])


@dataclass(frozen=True, slots=True, order=True)
class Silence:
    """Senders (none named: everybody) that one place of a reflector does not answer, and why."""

    address: str
    port: int
    rule: UnansweredRule
    senders: tuple[str, ...] = ()


class UnansweredJournal:
    """The times in which somebody was not answered. On the event loop alone."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        """`path` None: nothing is kept."""
        self._path, self._clock = path, clock
        self._open: dict[Silence, int] = {}
        self._over: list[Unanswered] = []
        for entry in _read(path):
            if entry.to_ns is None:
                self._open[_silence_of(entry)] = entry.from_ns
            else:
                self._over.append(entry)

    def resume(self, places: Iterable[tuple[str, int]], alive_ns: int, *, stopped: bool) -> None:
        """Note that nothing was answered at `places` since this agent was last alive.

        Until `note` says what is answered now. `stopped`: it ended cleanly.
        """
        rule: UnansweredRule = "agent.stopped" if stopped else "agent.restarting"
        for address, port in places:
            self._open.setdefault(Silence(address, port, rule), alive_ns)
        self._keep()

    def note(self, silent: Iterable[Silence], began_ns: int | None = None) -> None:
        """Take in who is not answered now; what is new began at `began_ns`, now if absent."""
        now_ns, present = self._clock.wall_ns(), set(silent)
        if present == self._open.keys():
            return
        for gone in sorted(self._open.keys() - present):
            from_ns = self._open.pop(gone)
            self._over.append(_entry_of(gone, from_ns, max(now_ns, from_ns)))
        for new in present - self._open.keys():
            self._open[new] = now_ns if began_ns is None else min(began_ns, now_ns)
        self._keep()

    def entries(self) -> tuple[Unanswered, ...]:
        """Return what is to be told: who is not answered now, and who lately was not."""
        is_open = [_entry_of(silence, from_ns) for silence, from_ns in sorted(self._open.items())]
        return (*self._over, *is_open)

    def _keep(self) -> None:
        self._over = self._over[-MOST_OVER:]
        if self._path is None:
            return
        beside = self._path.with_suffix(".new")
        try:
            beside.write_bytes(msgspec.json.encode(self.entries()))
            beside.replace(self._path)
        except OSError as error:  # it is told all the same, unless the agent ends before
            _LOG.warning("%s cannot be written: %s", self._path, error.strerror)


def _read(path: Path | None) -> Sequence[Unanswered]:
    """Return what was kept; nothing of a file that is damaged or was never written."""
    if path is not None:
        with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeError):
            return _DECODER.decode(read_input(path))
    return ()


def _entry_of(silence: Silence, from_ns: int, to_ns: int | None = None) -> Unanswered:
    return Unanswered(
        address=silence.address,
        port=silence.port,
        rule=silence.rule,
        senders=silence.senders,
        from_ns=from_ns,
        to_ns=to_ns,
    )


def _silence_of(entry: Unanswered) -> Silence:
    return Silence(entry.address, entry.port, entry.rule, entry.senders)
