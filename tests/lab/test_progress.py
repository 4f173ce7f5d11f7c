"""Who waits is told which step of how many, and how far it is."""

import io

import pytest

from foundation.text import Text
from lab.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run() -> None:
    progress = Progress(2)
    progress.step(Text("one", "一"))
    progress.step(Text("two", "二"))
    for done in (0, 1, 1, 3):
        progress.count(done, 3)
    progress.end()


def test_on_a_terminal_a_count_changes_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    run()
    shown = [line.rpartition("\r\x1b[K")[2] for line in terminal.getvalue().split("\n")]
    assert shown == ["[1/2] one …", "[2/2] two 3/3", ""]
    assert "[2/2] two 1/3" in terminal.getvalue()


def test_in_a_log_each_step_begins_and_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    run()
    assert capsys.readouterr().err.splitlines() == ["[1/2] one …", "[2/2] two …", "[2/2] two 3/3"]
