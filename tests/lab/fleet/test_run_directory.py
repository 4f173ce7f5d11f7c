"""A run's directory is gone with it, unless it is to be kept; what a killed run left is swept."""

import tempfile
from pathlib import Path

import pytest

from foundation.errors import ResourceError
from lab.fleet.run_directory import RunDirectory, sweep


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_temporary_directory_is_gone_when_it_is_closed() -> None:
    directory = RunDirectory()
    (directory.path / "log").touch()
    assert directory.temporary
    directory.close()
    assert not directory.path.exists()


def test_a_directory_of_the_users_stays_and_is_for_him_alone(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "kept")
    (directory.path / "log").touch()
    directory.close()
    assert (tmp_path / "kept" / "log").exists()
    assert (tmp_path / "kept").stat().st_mode & 0o077 == 0
    with pytest.raises(ResourceError, match="not empty"):
        RunDirectory(tmp_path / "kept")


def test_what_a_killed_run_left_is_swept_and_what_a_living_one_has_is_not(
    own_temporary_folder: Path,
) -> None:
    living = RunDirectory()
    left = own_temporary_folder / "isochrone-lab-left"
    left.mkdir()
    (left / "lock").touch()
    others = own_temporary_folder / "isochrone-lab-without-a-lock"
    others.mkdir()
    sweep()
    assert living.path.exists()
    assert not left.exists()
    assert others.exists()
    living.close()
