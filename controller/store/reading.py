"""A database opened to look at it alone, and what is said of one that is damaged.

Nothing is left beside it and nothing about it is changed, also on a medium that cannot be written.
"""

from __future__ import annotations

import contextlib
import pathlib
import sqlite3
from collections.abc import Iterator

import msgspec

from controller.access.tables import FILE_NAME as KEYS_NAME
from foundation.errors import ConfigError, IsochroneError, ResourceError
from foundation.private_files import check_regular
from foundation.reasons import reason_of
from foundation.sqlite_faults import fault_of, is_damage


class DamagedStoreError(ResourceError):
    """What a database holds cannot be read any more."""


def damaged(path: pathlib.Path, error: BaseException) -> DamagedStoreError:
    """Return what to say of a damaged database and to do about it."""
    reason = reason_of(error)
    if path.name == KEYS_NAME:
        return DamagedStoreError(
            f"The database of keys {path} is damaged ({reason.en}); restore the newest backup of "
            f"{path.parent}, which is backed up apart from the windows.",
            f"密钥数据库 {path} 已损坏（{reason.zh}）；请从最新备份恢复 {path.parent}"
            "（该目录与测量数据分开备份）。",
            file=str(path),
        )
    return DamagedStoreError(
        f"The database {path} is damaged ({reason.en}). See what can still be read with: isochrone "
        f"controller check --data {path.parent}; then restore the newest backup that "
        "`isochrone controller backup` made.",
        f"数据库 {path} 已损坏（{reason.zh}）。请用 isochrone controller check --data "
        f"{path.parent} 查看可读取的部分，然后恢复 isochrone controller backup 生成的最新备份。",
        file=str(path),
    )


@contextlib.contextmanager
def reporting_damage(path: pathlib.Path) -> Iterator[None]:
    """Raise DamagedStoreError for whatever shows that what is read inside is not what was written,
    ResourceError for other trouble with the database."""
    try:
        yield
    except IsochroneError:
        raise
    except sqlite3.Error as error:
        if is_damage(error):
            raise damaged(path, error) from error
        raise ResourceError(
            f"The database {path} cannot be used ({error}); check the free space and the rights of "
            "that directory.",
            f"无法使用数据库 {path}（{reason_of(error).zh}）；请检查该目录的剩余空间和权限。",
            file=str(path),
        ) from error
    except (ValueError, TypeError, KeyError, OverflowError, msgspec.MsgspecError) as error:
        raise damaged(path, error) from error


def open_to_read(path: pathlib.Path) -> sqlite3.Connection:
    """Open a database to look at it. ConfigError where there is none, ResourceError where it cannot
    be read.

    One without a log beside it is in nobody's hands: it is read as a file that does not change.
    """
    try:
        check_regular(path)
        with path.open("rb"):
            pass
        whole = not path.with_name(path.name + "-wal").exists()
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no database {path}; name the controller's data directory with --data.",
            f"找不到数据库 {path}；请用 --data 指定控制器的数据目录。",
            file=str(path),
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    uri = f"{path.absolute().as_uri()}?mode=ro" + ("&immutable=1" if whole else "")
    connection = sqlite3.connect(uri, uri=True)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        if fault_of(error) in ("read_only", "locked", "other"):
            connection.close()
            raise _unreadable(path, error) from error
    return connection


def _unreadable(path: pathlib.Path, error: BaseException) -> ResourceError:
    reason = reason_of(error)
    return ResourceError(
        f"The database {path} cannot be read ({reason.en}); check its rights. If a log (-wal) lies "
        "beside it, copy both to a directory that can be written.",
        f"无法读取数据库 {path}（{reason.zh}）；请检查权限。若旁边有日志文件（-wal），"
        "请将两者一并复制到可写目录。",
        file=str(path),
    )
