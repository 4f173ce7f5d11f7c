"""Whether this terminal draws characters of ambiguous width two columns wide, and output for it.

The owner says it (ISOCHRONE_NARROW), or the terminal is asked: where the cursor stands before and
after such a character (CPR, ECMA-48 8.3.14). Nobody waits long for an answer, and what somebody
has typed meanwhile is left alone.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import select
import sys
import termios
import time
import tty

from tui.glyphs import is_ambiguous, narrow

VARIABLE = "ISOCHRONE_NARROW"
_PATIENCE_S = 0.3
_SIGN = "●"
_ASK = f"\x1b7\x1b[6n{_SIGN}\x1b[6n\x1b8\x1b[K".encode()  # and back, with the sign erased
_PLACE = re.compile(rb"\x1b\[(\d+);(\d+)R")
_MUTE = ("", "dumb", "linux")  # whose terminals do not answer, or draw no wide characters


def narrow_wanted() -> bool:
    """Tell whether signs of one column are to be used: as it was said, else as the terminal says.

    The answer is remembered in the environment: children of ours need not ask again.
    """
    said = os.environ.get(VARIABLE, "").strip().lower()
    if not said:
        said = "1" if _is_wide() else "0"
        os.environ[VARIABLE] = said
    return said not in ("0", "no", "off", "false")


def _is_wide() -> bool:
    if os.environ.get("TERM", "") in _MUTE:
        return False
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if os.tcgetpgrp(terminal) != os.getpgrp():
            return False  # in the background, where asking would stop us
        return columns_of_sign(terminal) == 2
    except (OSError, termios.error):
        return False
    finally:
        os.close(terminal)


def columns_of_sign(terminal: int) -> int | None:
    """Return how many columns a character of ambiguous width takes; None without an answer."""
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal, termios.TCSADRAIN)
        if select.select([terminal], [], [], 0)[0]:
            return None  # somebody typed ahead: that is not ours to read
        os.write(terminal, _ASK)
        places = _places(terminal)
        if len(places) < 2:
            return None
        columns = places[1] - places[0]
        return columns if columns > 0 else None  # at the edge of the screen it tells nothing
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _places(terminal: int) -> list[int]:
    """Return the columns that the terminal tells, two where it answers in time."""
    said, until_s = b"", time.monotonic() + _PATIENCE_S
    while len(_PLACE.findall(said)) < 2:
        left_s = until_s - time.monotonic()
        if left_s <= 0 or not select.select([terminal], [], [], left_s)[0]:
            break
        said += os.read(terminal, 256)
    return [int(column) for _, column in _PLACE.findall(said)]


class NarrowingText(io.TextIOWrapper):
    """A terminal's text: from the first ambiguous sign on as narrow as it has to be."""

    def write(self, text: str) -> int:
        """Write, and return how much was handed over."""
        if is_ambiguous(text):
            self.flush()
            if narrow_wanted():
                super().write(narrow(text))
                return len(text)
        return super().write(text)


def write_as_wide_as_it_is_drawn() -> None:
    """Let standard output and error, where they are terminals, keep their columns."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and stream.isatty():
            setattr(sys, name, _narrowing(stream))


def _narrowing(stream: io.TextIOWrapper) -> NarrowingText:
    encoding, errors = stream.encoding, stream.errors
    by_line, at_once = stream.line_buffering, stream.write_through
    return NarrowingText(
        stream.detach(),
        encoding=encoding,
        errors=errors,
        line_buffering=by_line,
        write_through=at_once,
    )
