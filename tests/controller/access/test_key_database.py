"""The database of keys: its owner's alone, all or nothing, and never replaced by an empty one."""

import pathlib
import sqlite3
import stat

import pytest

from controller.access.key_database import (
    AUTHORITY_FILE,
    FILE_NAME,
    keys_directory,
    open_tables,
    reporting_keys_damage,
    transaction,
)
from controller.data_directory import KEYS_DIRECTORY, SITES_NAME
from foundation.errors import ResourceError


def count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM barred").fetchone()[0])


def test_directory_and_database_are_their_owners_alone(tmp_path: pathlib.Path) -> None:
    open_tables(tmp_path).close()
    keys = tmp_path / KEYS_DIRECTORY
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert stat.S_IMODE((keys / FILE_NAME).stat().st_mode) == 0o600


def test_what_fails_inside_a_transaction_leaves_nothing(tmp_path: pathlib.Path) -> None:
    connection = open_tables(tmp_path)
    with transaction(connection):
        connection.execute("INSERT INTO barred VALUES ('nanjing', 1)")
    with pytest.raises(sqlite3.IntegrityError), transaction(connection):
        connection.executemany("INSERT INTO barred VALUES (?, 1)", [("suzhou",), ("nanjing",)])
    assert (count(connection), connection.in_transaction) == (1, False)
    connection.close()


def test_a_full_disk_says_so_and_leaves_nothing(tmp_path: pathlib.Path) -> None:
    connection = open_tables(tmp_path)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ResourceError, match="database of keys"), transaction(connection):
        connection.execute("INSERT INTO barred VALUES (?, 1)", ("x" * 100_000,))
    assert count(connection) == 0
    connection.close()


@pytest.mark.parametrize("gone", [False, True])
def test_a_database_that_was_emptied_or_lost_is_not_replaced_by_an_empty_one(
    tmp_path: pathlib.Path, gone: bool
) -> None:
    open_tables(tmp_path).close()
    keys = keys_directory(tmp_path)
    (keys / AUTHORITY_FILE).write_text("")
    (tmp_path / SITES_NAME).write_text("")  # a controller has run here
    (keys / FILE_NAME).unlink()
    if not gone:
        (keys / FILE_NAME).touch()
    with pytest.raises(ResourceError, match="empty or missing"):
        open_tables(tmp_path)


def test_damage_says_which_backup_to_restore(tmp_path: pathlib.Path) -> None:
    open_tables(tmp_path).close()
    path = keys_directory(tmp_path) / FILE_NAME
    path.write_bytes(b"SQLite format 3\0" + b"\x5a" * 8000)
    told = pytest.raises(ResourceError, match="restore the newest backup")
    with told, reporting_keys_damage(tmp_path):
        open_tables(tmp_path)
