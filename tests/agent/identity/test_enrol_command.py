"""A secret that was given as an argument is not to be seen in the process list any more."""

import subprocess
import sys
from pathlib import Path

import pytest

SHOW = """
import sys
from pathlib import Path
from agent.identity.enrol_command import wipe_argument
done = wipe_argument(sys.argv[2])
print(done, Path("/proc/self/cmdline").read_bytes().decode())
"""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="arguments are seen in /proc, which is not here"
)


def shown(*arguments: str) -> str:
    words = [sys.executable, "-P", "-c", SHOW, *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_secret_leaves_the_arguments_wherever_it_stands() -> None:
    said = shown("https://c:1", "isoe.ab12.s3cret", "--token=isoe.ab12.s3cret")
    assert said.startswith("True")
    assert "s3cret" not in said
    assert "https://c:1" in said


def test_empty_secret_changes_nothing() -> None:
    said = shown("https://c:1", "")
    assert said.startswith("False")
    assert "https://c:1" in said
