"""What SQLite complains of: damage, a full disk, rights and locks told apart in one place."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from foundation.errors import IsochroneError, ResourceError
from foundation.text import Text

Fault = Literal["damaged", "full", "read_only", "locked", "other"]

_FAULTS: dict[int, Fault] = {
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
    sqlite3.SQLITE_FORMAT: "damaged",
    sqlite3.SQLITE_MISMATCH: "damaged",
    sqlite3.SQLITE_ERROR: "damaged",  # our SQL is right: a table or column of ours is gone
    sqlite3.SQLITE_TOOBIG: "damaged",  # so says a length that was written over
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_CANTOPEN: "read_only",
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
}

_ZH = {
    sqlite3.SQLITE_CORRUPT: "数据页不一致",
    sqlite3.SQLITE_NOTADB: "不是 SQLite 数据库",
    sqlite3.SQLITE_ERROR: "缺少数据表或列",
    sqlite3.SQLITE_TOOBIG: "记录的长度过大",
    sqlite3.SQLITE_FULL: "磁盘或数据库空间已满",
    sqlite3.SQLITE_READONLY: "数据库只读",
    sqlite3.SQLITE_CANTOPEN: "文件无法打开",
    sqlite3.SQLITE_IOERR: "输入/输出错误",
    sqlite3.SQLITE_BUSY: "被其他进程占用",
    sqlite3.SQLITE_LOCKED: "被其他进程占用",
}


def sqlite_reason(error: BaseException) -> Text:
    """Return what SQLite says, as part of a sentence: its own words are English alone."""
    words = str(error) or type(error).__name__
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return Text(words, words if code is None else _ZH.get(code & 0xFF, words))


def fault_of(error: BaseException) -> Fault:
    """Return what kind of trouble an exception of `sqlite3` reports."""
    if not isinstance(error, sqlite3.Error):  # a number stands where text stood, or the like
        return "damaged" if isinstance(error, TypeError | ValueError) else "other"
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None:  # the module's own: text that is not UTF-8 any more
        return "damaged" if "decode" in str(error) else "other"
    return _FAULTS.get(code & 0xFF, "other")


def is_damage(error: BaseException) -> bool:
    """Whether it is about what the file holds."""
    return fault_of(error) == "damaged"


@contextlib.contextmanager
def reporting_faults(
    path: Path, damaged: Callable[[Path, BaseException], ResourceError]
) -> Iterator[None]:
    """Raise what `damaged` says where what is read inside is not what was written, ResourceError
    for other trouble with the database at `path`."""
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
            f"无法使用数据库 {path}（{sqlite_reason(error).zh}）；请检查该目录的剩余空间和权限。",
            file=str(path),
        ) from error
    except (ValueError, TypeError, KeyError, OverflowError, msgspec.MsgspecError) as error:
        raise damaged(path, error) from error
