"""A damaged spool is set aside, what can be read of it continues, and the rest is counted."""

import os
from pathlib import Path

import pytest

from agent.spool.counts import count_of
from agent.spool.file import Limits, SpooledChunk, SpoolFile
from agent.spool.salvage import replaced
from agent.spool.sent_counters import SentCounters
from foundation.clock import SystemClock
from messages.chunk import encode_chunk
from messages.sections.kind import Span
from tests.agent.conftest import MakeWindows
from tests.agent.spool.spool_trial import trial_of


def damage(path: Path) -> None:
    """Overwrite the middle of every page but the first."""
    content = bytearray(path.read_bytes())
    for page in range(4096, len(content), 4096):
        content[page : page + 64] = b"\xa5" * 64
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("harm", ["header", "pages", "empty of sense", "pipe", "directory"])
def test_a_damaged_spool_is_set_aside_and_measuring_goes_on(
    make_windows: MakeWindows, harm: str
) -> None:
    with trial_of(make_windows) as trial:
        for _ in range(4):
            trial.measure(2)
        trial.deliver(2, True)
        trial.spooler.close()
        path = trial.where / "s"
        if harm == "header":
            path.write_bytes(b"not a database" * 500)
        elif harm == "pages":
            damage(path)
        elif harm == "empty of sense":
            path.write_bytes(b"")
        else:
            path.unlink()
            os.mkfifo(path) if harm == "pipe" else path.mkdir()
        trial.open(trial.where)
        aside = [each.name for each in trial.where.iterdir() if ".damaged-" in each.name]
        if harm != "empty of sense":
            assert aside
            assert trial.do(trial.spooler.do_state).set_aside == str(trial.where / min(aside))
        trial.measure(3)
        trial.end()
        stored = sum(trial.stored.values())
        gone = harm in ("pipe", "directory")
        assert stored >= (5 if gone else 7)  # 4 of them before, 3 after
        assert sum(trial.dropped().values()) == 11 - stored


def test_a_spool_that_is_damaged_while_it_is_used_is_set_aside_too(
    make_windows: MakeWindows,
) -> None:
    with trial_of(make_windows) as trial:
        for _ in range(6):
            trial.measure(2)
        trial.do(trial.on_disk.forget)
        damage(trial.where / "s")
        trial.measure(2)
        trial.deliver(5, True)
        trial.measure(2)
        trial.end()
        assert trial.do(trial.spooler.do_state).set_aside is not None


BOOT, LIMITS = "0123456789abcdef", Limits(1 << 20, 1 << 60)


def chunk(sequence: int, *, whole: bool) -> SpooledChunk:
    octets = encode_chunk({}, Span(1, 1), agent="a1", boot=BOOT, sequence=sequence, plan_version=0)
    return SpooledChunk(
        sequence=sequence,
        boot=BOOT,
        start_ns=1,
        count=count_of(windows=3, probes=30),
        payload=octets if whole else octets[:-1],
    )


def test_what_can_be_read_and_is_whole_goes_on_and_the_rest_is_counted(tmp_path: Path) -> None:
    counters = SentCounters(tmp_path / "counters")
    damaged = SpoolFile(tmp_path / "s", LIMITS)
    damaged.put([chunk(number, whole=number != 2) for number in (1, 2, 3)], 1)
    damaged.close()
    file, aside = replaced(tmp_path / "s", LIMITS, counters, SystemClock())
    assert [one.sequence for one in file.pending(9, skip=frozenset())] == [1, 3]
    assert file.waiting == count_of(windows=6, probes=60)
    assert file.dropped["damaged"] == count_of(windows=3, probes=30)
    assert file.accounted == count_of(windows=9, probes=90)
    assert Path(aside).is_file()
    file.close()
