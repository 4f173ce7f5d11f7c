"""Sentences on terminals whose encoding lacks some of their signs."""

import os
import subprocess
import sys

import pytest

from agent.standard_streams import replace_what_cannot_be_encoded

SIGNS = "45 µs ± 3 – “lost” … ≤ 5 × 2 → ✓ ✗ ∞ ┌─┐│ ²"


def told(encoding: str, *words: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "isochrone", *words],
        capture_output=True,
        timeout=120,
        env=os.environ | {"ISOCHRONE_LANG": "zh", "PYTHONIOENCODING": encoding},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode(encoding), done.stderr.decode(encoding)


@pytest.mark.parametrize("encoding", ["gbk", "gb18030", "gb2312", "utf-8"])
def test_chinese_is_spoken_where_the_encoding_has_it(encoding: str) -> None:
    out, err = told(encoding, "probe", "--help")
    assert "测量" in out
    assert "\\u" not in out
    assert err == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "big5", "koi8-r"])
def test_english_is_spoken_where_the_encoding_lacks_chinese_and_that_is_said_once(
    encoding: str,
) -> None:
    out, err = told(encoding, "probe", "--help")
    assert "Measure all targets at once" in out
    assert "\\u" not in out
    assert err.count("\n") == 1
    assert "cannot write Chinese" in err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gbk", "gb2312", "cp437"])
def test_every_sign_has_something_near_it(encoding: str) -> None:
    replace_what_cannot_be_encoded()
    shown = SIGNS.encode(encoding, "nearest").decode(encoding)
    assert "\\" not in shown
    assert "?" not in shown


def test_a_micro_sign_of_gbk_and_names_with_accents_keep_their_letters() -> None:
    replace_what_cannot_be_encoded()
    assert "45 µs".encode("gbk", "nearest") == b"45 us"
    assert "Zürich".encode("ascii", "nearest") == b"Zurich"
    assert "南京".encode("ascii", "nearest") == rb"\u5357\u4eac"
