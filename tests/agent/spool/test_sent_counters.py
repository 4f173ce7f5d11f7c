"""The count of what was sent survives a kill, and what it shows as missing is told."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.spool.sent_counters import SentCounters
from agent.spool.spooler import Spooler
from foundation.errors import ResourceError
from messages.exchange import Dropped
from messages.sections.windows import WINDOWS
from tests.agent.conftest import MakeWindows

COUNTER = """
import sys
from pathlib import Path
from agent.spool.sent_counters import SentCounters
from messages.sections.windows import WINDOWS
from probes.engine.report import Tally
book = SentCounters(Path(sys.argv[1]))
tally = Tally(place=book.sent_place)
while True:
    tally.sent += 3
    book.add(WINDOWS, 1)
    if tally.sent % 3000 == 0:
        print(tally.sent, flush=True)
"""


def test_count_goes_on_after_kills(tmp_path: Path) -> None:
    told = before = 0
    for kills in range(1, 4):
        with subprocess.Popen(
            [sys.executable, "-P", "-c", COUNTER, str(tmp_path / "b")],
            stdout=subprocess.PIPE,
            text=True,
        ) as counter:
            assert counter.stdout is not None
            for _ in range(5):
                told = int(counter.stdout.readline())
            os.kill(counter.pid, signal.SIGKILL)
            counter.stdout.read()
        sent_counters = SentCounters(tmp_path / "b")
        assert sent_counters.sent >= before + told
        # each kill may come between a window's probes and its end
        assert (
            sent_counters.sent - 3 * kills <= 3 * sent_counters.made.windows <= sent_counters.sent
        )
        assert not sent_counters.behind  # the machine itself continued
        before = sent_counters.sent


def test_book_of_another_start_of_the_machine_that_was_not_closed_is_behind(
    tmp_path: Path,
) -> None:
    SentCounters(tmp_path / "b")
    boot_id = tmp_path / "boot_id"
    boot_id.write_text("0123456789abcdef", encoding="ascii")
    cut = SentCounters(tmp_path / "b", boot_id)
    assert cut.behind
    cut.close()
    boot_id.write_text("fedcba9876543210", encoding="ascii")
    assert not SentCounters(tmp_path / "b", boot_id).behind


def test_book_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="count of probes"):
        SentCounters(tmp_path / "missing" / "b")


def open_spooler(tmp_path: Path) -> Spooler:
    return Spooler(tmp_path / "s", agent="a1", max_bytes=1 << 20, max_age_s=1e9)


def test_what_was_sent_and_never_reached_the_spool_is_told_as_cut_off(
    tmp_path: Path, make_windows: MakeWindows
) -> None:
    spooler = open_spooler(tmp_path)
    spooler.sent_counters.add(WINDOWS, 3)
    spooler.sent_counters.sent_place[0] += 47
    spooler.add(WINDOWS, make_windows(1, 2), 1)  # 2 windows of 10 probes; the rest is still open
    spooler.close()
    spooler = open_spooler(tmp_path)
    totals = spooler.call(spooler.do_state).result().totals
    assert totals.dropped == (Dropped(reason="cut_off", counts={"windows": 1, "probes": 27}),)
    assert (totals.waiting.get("windows", 0), totals.waiting.get("probes", 0)) == (2, 20)
    assert (totals.made.get("windows", 0), totals.made.get("probes", 0)) == (3, 47)
    spooler.close()


def test_spool_that_is_older_than_its_book_never_counts_backwards(
    tmp_path: Path, make_windows: MakeWindows
) -> None:
    spooler = open_spooler(tmp_path)
    spooler.add(WINDOWS, make_windows(1), 1)
    spooler.close()
    (tmp_path / "s.sent").unlink()
    spooler = open_spooler(tmp_path)
    totals = spooler.call(spooler.do_state).result().totals
    assert (totals.dropped, totals.made.get("probes", 0), totals.made.get("windows", 0)) == (
        (),
        10,
        1,
    )
    spooler.close()
