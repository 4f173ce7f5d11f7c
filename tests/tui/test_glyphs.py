"""Terminals that draw signs of ambiguous width two columns wide keep their columns."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.tui.scenarios.test_what_others_wrote import drawn, wait_until
from tui.app import IsochroneApp
from tui.glyphs import is_ambiguous, narrow

ROOT = Path(__file__).parents[2]
AMBIGUOUS = [
    sign
    for sign in map(chr, (*range(0xD800), *range(0xE000, 0x30000)))
    if unicodedata.east_asian_width(sign) == "A"
]
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


def test_every_ambiguous_sign_becomes_one_of_the_same_columns_everywhere() -> None:
    assert len(AMBIGUOUS) > 1_000
    for sign in AMBIGUOUS:
        assert not is_ambiguous(narrow(sign)), hex(ord(sign))
        assert cell_len(narrow(sign)) == cell_len(sign), hex(ord(sign))


def test_what_is_not_ambiguous_stays() -> None:
    assert narrow("达标 100% ✓ ⇄ abc") == "达标 100% ✓ ⇄ abc"
    assert narrow("● up → é") == "* up > e"


async def screens(app: IsochroneApp) -> list[str]:
    """Return what is drawn in each view."""
    found = []
    async with app.run_test(size=(160, 45)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        for key in ("1", "2", "3", "enter", "4", "6", "question_mark"):
            await pilot.press(key)
            await wait_until(pilot, lambda: app.is_settled)
            found.append(drawn(app))
    return found


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_no_cell_of_any_view_is_ambiguous_and_no_column_shifts(
    make_app: Callable[..., IsochroneApp], language: str
) -> None:
    wide = await screens(make_app(language=language))
    slim = await screens(make_app(language=language, narrow=True))
    assert any(map(is_ambiguous, wide))
    for before, after in zip(wide, slim, strict=True):
        assert not is_ambiguous(after)
        assert [cell_len(line) for line in before.splitlines()] == [
            cell_len(line) for line in after.splitlines()
        ]


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
