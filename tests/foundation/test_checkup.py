"""What a doctor found, as lines, as JSON and as an exit code; checks that all doctors share."""

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from foundation.checkup import (
    Finding,
    Status,
    as_json,
    as_lines,
    check_clock,
    check_directory,
    exit_code,
    finding,
)

AS_NOBODY = """
import os
import sys
from pathlib import Path

from foundation.checkup import check_directory

if os.geteuid() == 0:
    os.setresuid(65_534, 65_534, 65_534)
print(check_directory("state_dir", Path(sys.argv[1]), 1).status, end="")
"""
GOOD = finding("clock", "ok", "All is well.", "一切正常。")
ODD = finding("tcp", "warn", "It is slow.", "较慢。")
BAD = finding("state_dir", "fail", "It is full.", "已满。")


@pytest.mark.parametrize(("found", "code"), [([], 0), ([GOOD, ODD], 0), ([GOOD, BAD, ODD], 1)])
def test_only_what_fails_is_an_exit_code(found: list[Finding], code: int) -> None:
    assert exit_code(found) == code


def test_lines_stand_below_one_another_in_the_language_asked_for() -> None:
    assert as_lines([GOOD, BAD], "en") == [
        "ok    clock      All is well.",
        "FAIL  state_dir  It is full.",
    ]
    assert as_lines([GOOD], "zh") == ["正常  clock  一切正常。"]
    assert as_lines([], "en") == []


def test_json_has_both_languages_and_nothing_that_steers_a_terminal() -> None:
    evil = finding("name", "warn", "It is \x1b[2J.", "是 \x1b[2J。")
    text = as_json([GOOD, evil])
    assert "\x1b" not in text
    assert json.loads(text)[0] == {
        "check": "clock",
        "status": "ok",
        "text": {"en": "All is well.", "zh": "一切正常。"},
    }


@pytest.mark.parametrize(("wanted_bytes", "status"), [(1, "ok"), (1 << 62, "warn")])
def test_a_directory_that_is_there_or_can_be_made_is_judged_by_its_disk(
    tmp_path: Path, wanted_bytes: int, status: Status
) -> None:
    for path in (tmp_path, tmp_path / "not" / "yet"):
        assert check_directory("state_dir", path, wanted_bytes).status == status
    assert "does not exist yet" in check_directory("d", tmp_path / "x", 1).text.en


def test_a_file_where_a_directory_should_be_fails(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = check_directory("state_dir", tmp_path / "file" / "state", 1)
    assert told.status == "fail"
    assert str(tmp_path / "file") in told.text.en


def test_a_directory_without_rights_fails() -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o555)
        assert status_as_nobody(Path(place)) == "fail"


def status_as_nobody(directory: Path) -> str:
    """Return how a user who is not root finds a directory; root may write everywhere."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", AS_NOBODY, str(directory)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_a_clock_without_a_bound_is_not_one_of_bound_zero() -> None:
    unknown, known = check_clock("none", math.nan), check_clock("chrony", 12_345.0)
    assert (unknown.status, known.status) == ("warn", "ok")
    assert "there are no one-way figures" in unknown.text.en
    assert "at most 12 µs (chrony)" in known.text.en
