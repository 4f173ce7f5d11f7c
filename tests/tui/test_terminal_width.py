"""A terminal is asked how wide it draws what may be one column or two, and only it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import fcntl, os, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from tui.terminal_width import write_as_wide_as_it_is_drawn
write_as_wide_as_it_is_drawn()
print("only ascii")
print("● up → 5 … 7 ms")
print("remembered", os.environ.get("ISOCHRONE_NARROW"))
print("typed", input())
"""


@pytest.mark.parametrize(
    ("columns", "said", "shown"),
    [
        (2, None, "* up > 5 ⋯ 7 ms"),
        (1, None, "● up → 5 … 7 ms"),
        (0, None, "● up → 5 … 7 ms"),  # a terminal that does not answer
        (0, "1", "* up > 5 ⋯ 7 ms"),
        (2, "0", "● up → 5 … 7 ms"),
    ],
)
def test_a_terminal_is_asked_once_and_what_is_typed_arrives(
    columns: int, said: str | None, shown: str
) -> None:
    environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    environment.pop("ISOCHRONE_NARROW", None)
    if said is not None:
        environment["ISOCHRONE_NARROW"] = said
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-P", "-c", SCRIPT],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=environment,
    ) as child:
        os.close(theirs)
        output, answered, typed = b"", False, False
        until_s = time.monotonic() + 60
        while b"typed hello" not in output:
            assert time.monotonic() < until_s, output
            if select.select([ours], [], [], 1)[0]:
                output += os.read(ours, 4096)
            if output.count(b"\x1b[6n") == 2 and not answered:
                answered = True
                if columns:
                    os.write(ours, f"\x1b[7;1R\x1b[7;{1 + columns}R".encode())
            if b"remembered" in output and not typed:
                typed = True
                os.write(ours, b"hello\n")
        child.wait(60)
    os.close(ours)
    assert output.count(b"\x1b[6n") == (0 if said else 2)
    assert shown in output.decode()
    assert "only ascii" in output.decode().partition("\x1b[6n")[0]
