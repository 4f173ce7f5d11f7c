"""A data directory is one controller's, and whoever may not have it is told what to do."""

import pathlib
import stat

import pytest

from controller.data_directory import LOCK_NAME, is_held, own_directory
from foundation.errors import ResourceError


def test_directory_is_made_for_its_owner_alone(tmp_path: pathlib.Path) -> None:
    own_directory(tmp_path / "data").close()
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data" / LOCK_NAME).stat().st_mode) == 0o600


def test_directory_is_held_as_long_as_its_lock_is_open(tmp_path: pathlib.Path) -> None:
    assert not is_held(tmp_path / "data")  # there is none
    lock = own_directory(tmp_path / "data")
    assert is_held(tmp_path / "data")
    with pytest.raises(ResourceError, match="Another controller"):
        own_directory(tmp_path / "data")
    lock.close()
    assert not is_held(tmp_path / "data")
    own_directory(tmp_path / "data").close()


def test_file_in_the_place_of_the_directory_is_refused_with_what_to_do(
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ResourceError, match="--data"):
        own_directory(tmp_path / "data")


def test_lock_that_is_no_file_is_refused_and_left_alone(tmp_path: pathlib.Path) -> None:
    (tmp_path / LOCK_NAME).mkdir()
    with pytest.raises(ResourceError, match="not a regular file"):
        own_directory(tmp_path)
    assert (tmp_path / LOCK_NAME).is_dir()
