"""Only a database of ours, whole and of this version, is written to; looking changes nothing."""

import pathlib
import sqlite3

import pytest
import sqlite_utils

from controller.data_directory import SITES_NAME
from controller.store.interface import DamagedStoreError
from controller.store.sqlite.opening import migrate, open_to_read, open_to_write, reporting_damage
from controller.store.sqlite.schema import APPLICATION_ID, migrations
from foundation.errors import ConfigError, ResourceError


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "isochrone.db"


def made(path: pathlib.Path) -> None:
    open_to_write(path, None).close()


def with_migration(path: pathlib.Path, name: str) -> None:
    db = sqlite_utils.Database(path)
    db.table("_sqlite_migrations").insert(
        {"migration_set": "isochrone", "name": name, "applied_at": "2030"}
    )
    db.close()


def test_database_is_made_as_ours_and_commits_survive_a_power_cut(path: pathlib.Path) -> None:
    made(path)
    connection = open_to_write(path, None)
    ask = connection.execute
    assert ask("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert ask("PRAGMA journal_mode").fetchone() == ("wal",)
    assert ask("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert ask("PRAGMA auto_vacuum").fetchone() == (2,)  # so that retention gives space back
    connection.close()


def test_database_of_the_first_migration_is_brought_forward(path: pathlib.Path) -> None:
    db = sqlite_utils.Database(path)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    migrations.apply(db, stop_before="0002_chunks")
    db.table("sites").insert({"name": "nanjing", "document": "{}", "loaded_ns": 1})
    db.close()
    connection = open_to_write(path, None)
    assert connection.execute("SELECT name FROM sites").fetchall() == [("nanjing",)]
    assert connection.execute("SELECT count(*) FROM chunks").fetchone() == (0,)
    connection.close()


def test_database_of_a_newer_version_is_refused(path: pathlib.Path) -> None:
    made(path)
    with_migration(path, "0999_later")
    with pytest.raises(ConfigError, match="newer Isochrone"):
        migrate(path)


def test_database_that_lacks_what_comes_before_what_it_has_is_damaged(path: pathlib.Path) -> None:
    made(path)
    with_migration(path, "0999_later")
    db = sqlite_utils.Database(path)
    db.table("_sqlite_migrations").delete_where("name = ?", ["0004_baselines"])
    db.close()
    with pytest.raises(DamagedStoreError, match="lacks 0004"):
        migrate(path)


def test_file_that_is_no_database_is_refused_and_left_alone(path: pathlib.Path) -> None:
    notes = b"somebody's notes, not a database at all" * 100
    path.write_bytes(notes)
    with pytest.raises(ConfigError, match="not an Isochrone database"):
        open_to_write(path, None)
    assert path.read_bytes() == notes


def test_database_of_another_program_is_refused(path: pathlib.Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE photos (id INTEGER)")
    other.commit()
    other.close()
    with pytest.raises(ConfigError, match="not an Isochrone database"):
        open_to_write(path, None)


def test_emptied_database_where_a_controller_has_run_is_not_begun_anew(path: pathlib.Path) -> None:
    path.write_bytes(b"")
    path.with_name(SITES_NAME).write_text("")
    with pytest.raises(ResourceError, match="empty"):
        open_to_write(path, None)
    assert path.read_bytes() == b""


def test_directory_in_the_place_of_the_database_is_refused(path: pathlib.Path) -> None:
    path.mkdir()
    with pytest.raises(ResourceError, match="not a regular file"):
        open_to_write(path, None)


def test_looking_leaves_nothing_beside_the_database_and_cannot_change_it(
    path: pathlib.Path,
) -> None:
    made(path)
    before = path.read_bytes()
    connection = open_to_read(path)
    assert connection.execute("SELECT count(*) FROM chunks").fetchone() == (0,)
    with pytest.raises(sqlite3.OperationalError):
        connection.execute("DELETE FROM chunks")
    connection.close()
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_looking_sees_what_a_controller_that_runs_has_committed(path: pathlib.Path) -> None:
    writing = open_to_write(path, None)
    writing.execute("INSERT INTO sites VALUES ('a', '{}', 1)")
    connection = open_to_read(path)
    assert connection.execute("SELECT name FROM sites").fetchall() == [("a",)]
    connection.close()
    writing.close()


def test_looking_where_there_is_none_says_how_to_name_it(path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="--data"):
        open_to_read(path)
    assert not path.exists()


def test_damage_that_is_met_inside_says_what_to_do(path: pathlib.Path) -> None:
    made(path)
    content = bytearray(path.read_bytes())
    content[8192 : 8192 * 6] = b"\x5a" * (8192 * 5)
    path.write_bytes(content)
    connection = sqlite3.connect(path)
    told = pytest.raises(DamagedStoreError, match="isochrone controller check")
    with told, reporting_damage(path):
        connection.execute("SELECT name FROM sites").fetchall()
    connection.close()
