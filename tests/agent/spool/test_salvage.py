"""A damaged spool is set aside, what can be read of it continues, and the rest is counted."""

import os
from pathlib import Path

import pytest

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
