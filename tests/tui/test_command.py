"""`isochrone tui` refuses in one sentence what it cannot do, before anything is drawn."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result

from tui.command import tui


def run(*words: str) -> Result:
    return CliRunner().invoke(tui, list(words), env={"ISOCHRONE_LANG": "en"})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--size", "huge"), "COLUMNSxROWS"),
        (("--refresh", "nan"), "--refresh"),
        (("--refresh", "0.1"), "--refresh"),
        (("--time-zone", "Atlantis/City"), "is not a time zone"),
        (("--view", "none"), "--view"),
    ],
)
def test_a_wrong_argument_is_named_and_nothing_is_opened(words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_controller_that_does_not_answer_is_told_before_the_screen_opens(tmp_path: Path) -> None:
    done = run("--url", f"unix:{tmp_path / 'none.sock'}")
    assert done.exit_code == 1
    assert done.stderr.startswith("isochrone: ")
    assert done.stderr.count("\n") == 1


async def test_without_a_terminal_a_picture_is_offered(server: TestServer) -> None:
    done = await asyncio.to_thread(run, "--url", str(server.make_url("/")).rstrip("/"))
    assert done.exit_code == 1
    assert "--screenshot FILE" in done.stderr


async def test_a_picture_is_not_taken_where_a_file_would_be_lost(
    server: TestServer, tmp_path: Path
) -> None:
    place = tmp_path / "screen.svg"
    place.write_text("mine")
    url = str(server.make_url("/")).rstrip("/")
    words = ("--url", url, "--screenshot", str(place), "--size", "80x24", "--lang", "zh")
    refused = await asyncio.to_thread(run, *words)
    assert "已存在" in refused.stderr
    assert place.read_text() == "mine"
    taken = await asyncio.to_thread(run, *words, "--overwrite")
    assert taken.exit_code == 0, taken.stderr
    assert "总览" in place.read_text()
