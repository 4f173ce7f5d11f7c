"""One process alone has a state directory, and its lock says under which boot it works."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from agent.state_directory import boot_in, is_held, sole_use_of
from foundation.errors import ResourceError


def test_the_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with sole_use_of(tmp_path / "state") as directory:
        assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
        assert not directory.is_enrolled()
        (directory.path / "trust").mkdir()
        (directory.path / "trust" / "agent.pem").touch()
        assert directory.is_enrolled()


def test_a_second_process_is_refused_as_long_as_the_first_has_it(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    with sole_use_of(tmp_path):
        assert is_held(tmp_path)
        with pytest.raises(ResourceError, match="Another agent runs in"), sole_use_of(tmp_path):
            pass
    assert not is_held(tmp_path)
    with sole_use_of(tmp_path):
        pass


def test_the_boot_in_the_lock_is_the_last_that_was_told(tmp_path: Path) -> None:
    assert boot_in(tmp_path) == ""
    with sole_use_of(tmp_path) as directory:
        directory.tell_boot("0123456789abcdef0123456789abcdef")
        directory.tell_boot("fedcba9876543210")
        assert boot_in(tmp_path) == "fedcba9876543210"


def test_what_somebody_else_wrote_there_steers_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("\x1b[2Jab", encoding="ascii")
    assert "\x1b" not in boot_in(tmp_path)
    (tmp_path / "lock").write_bytes(b"\xff\xfe")
    assert boot_in(tmp_path) == ""


def test_a_file_in_its_place_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("", encoding="ascii")
    with (
        pytest.raises(ResourceError, match="cannot be used") as told,
        sole_use_of(tmp_path / "state"),
    ):
        pass
    assert "无法使用 state_dir" in told.value.text.zh
