"""SQLite's troubles by their kind, as it really raises them."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from foundation.errors import ConfigError, ResourceError
from foundation.sqlite_faults import Fault, fault_of, is_damage, reporting_faults, sqlite_reason

Harm = Callable[[Path], sqlite3.Error]


def raised(path: Path, *commands: str) -> sqlite3.Error:
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        for command in commands:
            connection.execute(command).fetchall()
    except sqlite3.Error as error:
        return error
    finally:
        connection.close()
    raise AssertionError(f"nothing was wrong with {commands}")


def full(path: Path) -> sqlite3.Error:
    fill = "INSERT INTO t SELECT randomblob(100000)"
    return raised(path, "CREATE TABLE t (x)", "PRAGMA max_page_count = 3", fill)


def read_only(path: Path) -> sqlite3.Error:
    return raised(path, "CREATE TABLE t (x)", "PRAGMA query_only = 1", "DELETE FROM t")


def locked(path: Path) -> sqlite3.Error:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        return raised(path, "BEGIN IMMEDIATE")
    finally:
        other.close()


def no_database(path: Path) -> sqlite3.Error:
    path.write_bytes(b"not a database" * 500)
    return raised(path, "PRAGMA user_version")


def no_table(path: Path) -> sqlite3.Error:
    return raised(path, "SELECT * FROM windows")


def no_text(path: Path) -> sqlite3.Error:
    return raised(path, "SELECT CAST(x'ff' AS TEXT)")


def nowhere(path: Path) -> sqlite3.Error:
    with pytest.raises(sqlite3.Error) as caught:
        sqlite3.connect(path / "no" / "such")
    return caught.value


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (full, "full"),
        (read_only, "read_only"),
        (locked, "locked"),
        (no_database, "damaged"),
        (no_table, "damaged"),
        (no_text, "damaged"),
        (nowhere, "read_only"),
    ],
)
def test_every_trouble_has_its_kind(tmp_path: Path, harm: Harm, fault: Fault) -> None:
    error = harm(tmp_path / "db")
    assert fault_of(error) == fault
    assert is_damage(error) == (fault == "damaged")


def test_its_reason_is_in_both_languages(tmp_path: Path) -> None:
    told = sqlite_reason(full(tmp_path / "db"))
    assert "full" in told.en
    assert told.zh == "磁盘或数据库空间已满"


def test_what_stands_where_a_number_stood_is_damage_and_other_defects_are_not() -> None:
    assert is_damage(ValueError("invalid literal for int()"))
    assert is_damage(TypeError("bytes or text"))
    assert fault_of(LookupError("a defect")) == "other"


def broken(path: Path, error: BaseException) -> ResourceError:
    return ResourceError(f"{path.name} is damaged ({error}).", f"{path.name} 已损坏。")


def test_damage_and_other_trouble_are_told_apart_and_ours_pass_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with pytest.raises(ResourceError, match="db is damaged"), reporting_faults(path, broken):
        raise no_table(path)
    with pytest.raises(ResourceError, match="db is damaged"), reporting_faults(path, broken):
        raise KeyError("no such column")
    with (
        pytest.raises(ResourceError, match="cannot be used") as told,
        reporting_faults(path, broken),
    ):
        raise full(path)
    assert "磁盘或数据库空间已满" in told.value.text.zh
    with pytest.raises(ConfigError), reporting_faults(path, broken):
        raise ConfigError("x", "x")
