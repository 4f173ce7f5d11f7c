"""The program in a real terminal (tmux), against a server process: keys, resize, Chinese, quit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent.parent
ROOT = HERE.parents[1]

pytestmark = pytest.mark.skipif(
    shutil.which("tmux") is None,
    reason="tmux is not installed, so there is no real terminal; install it with your packages",
)


def wait_for(condition: Callable[[], bool], what: Callable[[], str], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, what()
        pause.wait(0.1)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, str(HERE / "api_server.py")], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        server.terminate()


class Terminal:
    """Its own tmux server with one pane."""

    def __init__(self, directory: Path, command: str, size: tuple[int, int]) -> None:
        self._tmux = ["tmux", "-f", "/dev/null", "-S", str(directory / "tmux")]
        environment = {**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TERM": "xterm"}
        environment.pop("TMUX", None)
        width, height = size
        options = [
            "set",
            "-g",
            "default-terminal",
            "screen-256color",
            ";",
            "set",
            "-g",
            "status",
            "off",
            ";",
        ]
        subprocess.run(
            [*self._tmux, "-u", "start-server", ";", *options, "new-session", "-d",
             "-x", str(width), "-y", str(height), command],
            env=environment, check=True, cwd=ROOT,
        )  # fmt: skip

    def __call__(self, *words: str) -> str:
        return subprocess.run(
            [*self._tmux, *words], check=False, capture_output=True, text=True
        ).stdout

    @property
    def screen(self) -> str:
        return self("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        self("send-keys", *keys)

    def wait_until_shown(self, *texts: str) -> None:
        wait_for(
            lambda: all(text in self.screen for text in texts),
            lambda: f"never saw {texts} in\n{self.screen}",
        )


@pytest.fixture
def terminal(tmp_path: Path, url: str) -> Iterator[Terminal]:
    command = (
        f"{sys.executable} -P -m isochrone tui --url {url} --lang en; echo ended with $?; exec cat"
    )
    made = Terminal(tmp_path, command, (200, 60))
    yield made
    made("kill-server")


def test_keys_resize_language_and_quit_in_a_real_terminal(terminal: Terminal) -> None:
    terminal.wait_until_shown("1 Overview", "1 ms circle: within a city", "Goal 2025")
    terminal.press("2")
    terminal.wait_until_shown("From ↓ to →", "Nanjing Jiangb…")
    terminal.press("3")
    terminal.wait_until_shown("357 of 357 paths")
    terminal.press("/")
    terminal.press("-l", "site:suqian verdict:no")
    terminal.wait_until_shown("37 of 357 paths")
    terminal.press("Enter")
    terminal.press("Enter")
    terminal.wait_until_shown("Delay ms", "5 ms circle")
    terminal("resize-window", "-x", "80", "-y", "24")
    terminal.press("l")
    terminal.wait_until_shown("时延 ms", "总览")
    lines = terminal.screen.splitlines()
    assert len(lines) <= 24
    terminal.press("1")
    terminal.wait_until_shown("指标", "1 毫秒时延圈", "退出")
    terminal.press("?")
    terminal.wait_until_shown("按键", "立即刷新")
    terminal.press("Escape")
    wait_for(lambda: "立即刷新" not in terminal.screen, lambda: terminal.screen)
    terminal.press("q")
    terminal.wait_until_shown("ended with 0")


def test_without_a_terminal_to_draw_on_it_says_so_and_how_to_get_a_picture(
    url: str,
) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "isochrone", "tui", "--url", url, "--lang", "en"],
        check=False, capture_output=True, text=True, cwd=ROOT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 1
    assert "--screenshot FILE" in done.stderr
    assert done.stdout == ""


def test_no_controller_is_one_sentence_and_an_exit_code() -> None:
    for url, said, code in (
        ("http://127.0.0.1:9", "does not answer", 1),
        ("ftp://x", "is not the address of a controller", 2),
    ):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "isochrone", "tui", "--url", url, "--lang", "en"],
            check=False, capture_output=True, text=True, cwd=ROOT,
        )  # fmt: skip
        assert done.returncode == code
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
