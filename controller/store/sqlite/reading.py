"""A database opened to look at it alone, and what is said of one that is damaged.

Nothing is left beside it and nothing about it is changed, also on a medium that cannot be written.
"""

from __future__ import annotations

import pathlib
import sqlite3
from contextlib import AbstractContextManager

from controller.store.interface import DamagedStoreError
from foundation.errors import ConfigError, ResourceError
from foundation.private_files import check_regular
from foundation.reasons import reason_of
from foundation.sqlite_faults import fault_of, reporting_faults


def damaged(path: pathlib.Path, error: BaseException) -> DamagedStoreError:
    """Return what to say of a damaged database and to do about it."""
    reason = reason_of(error)
    return DamagedStoreError(
        f"The database {path} is damaged ({reason.en}). See what can still be read with: isochrone "
        f"controller check --data {path.parent}; then restore the newest backup that "
        "`isochrone controller backup` made.",
        f"数据库 {path} 已损坏（{reason.zh}）。请用 isochrone controller check --data "
        f"{path.parent} 查看可读取的部分，然后恢复 isochrone controller backup 生成的最新备份。",
        file=str(path),
    )


def reporting_damage(path: pathlib.Path) -> AbstractContextManager[None]:
    """Raise DamagedStoreError for whatever shows that what is read inside is not what was written,
    ResourceError for other trouble with the database."""
    return reporting_faults(path, damaged)


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
        f"The database {path} cannot be read ({reason.en}); check its permissions. If there is a "
        f"log (-wal) beside it, copy both to a directory that can be written.",
        f"无法读取数据库 {path}（{reason.zh}）；请检查权限。若旁边有日志文件（-wal），"
        "请将两者一并复制到可写目录。",
        file=str(path),
    )
