"""Who leaves the lab's screen, or does not wait for it, has the prompt at once and nothing left."""

import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from fcntl import ioctl
from pathlib import Path

import pytest

pytestmark = pytest.mark.network

PATIENCE_S = 120.0


class Screen:
    """The lab on its own terminal: what it writes, and the keys that it gets."""

    def __init__(self, directory: Path) -> None:
        self.said = ""
        self._terminal, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
        of_its_own = {"TMPDIR": str(directory), "ISOCHRONE_LANG": "en", "TERM": "xterm"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "isochrone", "lab", "tiny"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=os.environ | of_its_own,
            start_new_session=True,
            preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)

    def press(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def wait_until(self, there: Callable[[str], bool]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not there(self.said):
            assert time.monotonic() < until, self.said[-4000:]
            if not select.select([self._terminal], [], [], 0.1)[0]:
                continue
            try:
                self.said += os.read(self._terminal, 65_536).decode(errors="replace")
            except OSError:  # it has ended
                break

    def wait_until_ended(self) -> int:
        self.wait_until(lambda _: False)
        return self._process.wait(PATIENCE_S)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)


@pytest.fixture
def screen(namespaces: None, tmp_path: Path) -> Iterator[Screen]:
    made = Screen(tmp_path)
    yield made
    made.close()


def lines_after_the_screen(said: str) -> list[str]:
    return said.rpartition("\x1b[?1049l")[2].replace("\r", "").strip().splitlines()


@pytest.mark.parametrize("key", [b"q", b"\x03"], ids=["q", "ctrl+c"])
def test_who_leaves_the_screen_reads_a_short_summary(
    screen: Screen, tmp_path: Path, key: bytes
) -> None:
    screen.wait_until(lambda said: "Goal" in said or "Verdict" in said or "one way" in said)
    screen.press(key)
    assert screen.wait_until_ended() == 0
    lines = lines_after_the_screen(screen.said)
    assert "[3/3] agents that measure 3/3" in screen.said
    assert any("verdicts after" in line or "No verdict" in line for line in lines)
    assert len(lines) < 20
    assert not any("Stopping the agents" in line for line in lines)  # that takes a while
    assert not list(tmp_path.glob("isochrone-lab-*"))


def test_who_does_not_wait_for_the_start_leaves_nothing(screen: Screen, tmp_path: Path) -> None:
    screen.wait_until(lambda said: "[2/3]" in said)
    screen.press(b"\x03")
    assert screen.wait_until_ended() == 128 + signal.SIGINT
    assert not list(tmp_path.glob("isochrone-lab-*"))
