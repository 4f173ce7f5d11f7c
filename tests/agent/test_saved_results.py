"""Results that could not be shown are kept for their owner, and the next run reports them."""

import stat
from pathlib import Path

import pytest

from agent import saved_results


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def test_what_nobody_was_told_of_is_told_once() -> None:
    first, second = (saved_results.keep("probe", b"figures") for _ in range(2))
    assert saved_results.unannounced() == []
    for made in (first, second):
        saved_results.mark_unannounced(made)
    assert saved_results.unannounced() == [first.path, second.path]
    told = saved_results.announcement_later([first.path, second.path])
    assert f"{first.path}, {second.path}" in told.en
    assert str(second.path) in told.zh
    saved_results.clear_unannounced()
    assert saved_results.unannounced() == []


def test_what_was_removed_meanwhile_is_not_told_of() -> None:
    made = saved_results.keep("probe", b"figures")
    saved_results.mark_unannounced(made)
    made.path.unlink()
    assert saved_results.unannounced() == []


def test_only_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = tmp_path / "isochrone"
    folder.mkdir(mode=0o755)
    for hour in range(saved_results.MOST_KEPT):
        (folder / f"20200101T{hour:02}0000Z-probe-a.txt").touch()
    made = saved_results.keep("campaign run", b"\x1b[31mred\x1b[0m\r\n")
    assert made.path.read_bytes() == b"red\n"
    assert "-campaign-run-" in made.path.name
    files = sorted(path.name for path in folder.glob("*.txt"))
    assert len(files) == saved_results.MOST_KEPT
    assert files[0].startswith("20200101T01")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_no_place_with_room_is_an_error_for_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "file"))
    with pytest.raises(NotADirectoryError) as full:
        saved_results.keep("probe", b"x")
    told = saved_results.announcement_now(OSError(28, "No space left on device"), full.value)
    assert "neither can a file with the results" in told.text.en


def test_a_folder_of_state_that_is_not_absolute_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "here")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert saved_results.state_folder() == Path("/home/somebody/.local/state/isochrone")
