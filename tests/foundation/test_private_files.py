"""What we keep is its owner's alone, whatever the umask and whatever was there before."""

import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation.errors import RightsError
from foundation.private_files import (
    is_locked,
    make_private_database,
    make_private_directory,
    make_private_file,
)


@pytest.fixture(params=[0o000, 0o022, 0o777], autouse=True)
def umask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="a umask of 0777 shuts out all but root")
def test_new_directories_are_private_and_so_are_those_above_them(tmp_path: Path) -> None:
    make_private_directory(tmp_path / "a" / "b")
    assert mode(tmp_path / "a") & 0o077 == 0
    assert mode(tmp_path / "a" / "b") & 0o077 == 0


def test_loose_directories_of_ours_are_tightened(tmp_path: Path) -> None:
    for name, marks in (("empty", ()), ("ours", ("lock",))):
        place = tmp_path / name
        place.mkdir()
        place.chmod(0o777)
        for mark in marks:
            (place / mark).touch()
        make_private_directory(place, ("lock",))
        assert mode(place) == 0o700


def test_a_directory_of_others_is_left_as_it_is_or_refused(tmp_path: Path) -> None:
    place = tmp_path / "shared"
    place.mkdir()
    (place / "letter").touch()
    place.chmod(0o755)
    make_private_directory(place, ("lock",))
    assert mode(place) == 0o755
    place.chmod(0o1777)
    with pytest.raises(RightsError, match="chmod go-w"):
        make_private_directory(place, ("lock",))
    assert mode(place) == 0o1777


def test_files_are_private_from_their_first_moment_and_loose_ones_are_tightened(
    tmp_path: Path,
) -> None:
    make_private_file(tmp_path / "new")
    assert mode(tmp_path / "new") & 0o077 == 0
    for name in ("s", "s-wal", "s-shm"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o666)
    make_private_database(tmp_path / "s")
    assert {mode(tmp_path / name) for name in ("s", "s-wal", "s-shm")} == {0o600}


def test_a_file_is_locked_as_long_as_somebody_holds_its_lock(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "lock")  # there is none
    make_private_file(tmp_path / "lock")
    assert not is_locked(tmp_path / "lock")
    with (tmp_path / "lock").open("rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert is_locked(tmp_path / "lock")
    assert not is_locked(tmp_path / "lock")
