"""What SQLite complains of: damage, a full disk, rights and locks told apart in one place."""

from __future__ import annotations

import sqlite3
from typing import Literal

Fault = Literal["damaged", "full", "read_only", "locked", "other"]

_FAULTS: dict[int, Fault] = {
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
    sqlite3.SQLITE_FORMAT: "damaged",
    sqlite3.SQLITE_MISMATCH: "damaged",
    sqlite3.SQLITE_ERROR: "damaged",  # our SQL is right: a table or column of ours is gone
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_CANTOPEN: "read_only",
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
}


def fault_of(error: BaseException) -> Fault:
    """Return what kind of trouble an exception of `sqlite3` tells of."""
    if not isinstance(error, sqlite3.Error):  # a number stands where text stood, or the like
        return "damaged" if isinstance(error, TypeError | ValueError) else "other"
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None:  # the module's own: text that is not UTF-8 any more
        return "damaged" if "decode" in str(error) else "other"
    return _FAULTS.get(code & 0xFF, "other")


def is_damage(error: BaseException) -> bool:
    """Whether it is about what the file holds."""
    return fault_of(error) == "damaged"
