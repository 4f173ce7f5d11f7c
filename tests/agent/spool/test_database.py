"""The spool's file is its owner's alone, and one that cannot be used is told apart from damage."""

import sqlite3
import stat
from pathlib import Path

import pytest

from agent.spool.database import DamagedSpoolError, open_spool, set_aside, transaction
from foundation.errors import ResourceError

ROW = "INSERT INTO counter VALUES (?, 1)"


def names(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM counter ORDER BY name")]


def test_what_was_committed_is_there_again_and_for_its_owner_alone(tmp_path: Path) -> None:
    first = open_spool(tmp_path / "s")
    with transaction(first):
        first.execute(ROW, ("a",))
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    first.close()
    again = open_spool(tmp_path / "s")
    assert names(again) == ["a"]
    again.close()


def test_of_a_transaction_that_fails_nothing_stays(tmp_path: Path) -> None:
    connection = open_spool(tmp_path / "s")
    with pytest.raises(sqlite3.IntegrityError), transaction(connection):
        connection.executemany(ROW, [("a",), ("a",)])
    with transaction(connection):
        connection.execute(ROW, ("b",))
    assert names(connection) == ["b"]
    connection.close()


@pytest.mark.parametrize("content", [b"not a database" * 500, bytes(range(256)) * 16])
def test_a_file_that_is_no_database_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(DamagedSpoolError):
        open_spool(tmp_path / "s")


def test_a_directory_in_its_place_is_damage_too(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    with pytest.raises(DamagedSpoolError):
        open_spool(tmp_path / "s")


def test_a_place_that_is_not_there_is_told_and_nothing_is_set_aside(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="cannot be used") as told:
        open_spool(tmp_path / "nowhere" / "s")
    assert "无法使用" in told.value.text.zh


def test_a_spool_of_another_version_is_left_as_it_is(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "s") as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(ResourceError, match="format 99"):
        open_spool(tmp_path / "s")


def test_files_that_were_set_aside_keep_their_logs_and_never_replace_one_another(
    tmp_path: Path,
) -> None:
    places = []
    for content in ("one", "two"):
        for ending in ("", "-wal"):
            (tmp_path / f"s{ending}").write_text(content, encoding="ascii")
        places.append(set_aside(tmp_path / "s", "now"))
    assert [place.name for place in places] == ["s.damaged-now", "s.damaged-now-1"]
    for place, content in zip(places, ("one", "two"), strict=True):
        assert place.read_text(encoding="ascii") == content
        assert place.with_name(f"{place.name}-wal").read_text(encoding="ascii") == content
    assert not (tmp_path / "s").exists()
