"""The database of keys: tokens, certificates, audit log, secrets of authenticated probes. Its own
file beside the store.

It is apart from the windows because it is written by the command line while the controller runs,
holds secrets and hashes of such, and must not depend on which engine keeps the windows.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager

import sqlite_utils
from sqlite_utils.migrations import Migrations

from controller.data_directory import KEYS_DIRECTORY, MARKS, SITES_NAME
from foundation.errors import ResourceError
from foundation.private_files import make_private_database, make_private_directory
from foundation.reasons import reason_of
from foundation.sqlite_faults import is_damage, reporting_faults

FILE_NAME = "access.sqlite3"
AUTHORITY_FILE = "authority.pem"  # made once the database of keys is

migrations = Migrations("isochrone-access")


@migrations(name="0001_access")
def create_access(db: sqlite_utils.Database) -> None:
    """Create the tables of tokens, certificates, barred agents and the audit log."""
    db.table("tokens").create(
        {
            "id": str,
            "role": str,  # of an API token, else null
            "agent": str,  # of an enrolment token, else null
            "label": str,
            "digest": bytes,
            "created_ns": int,
            "expires_ns": int,
            "used_ns": int,
            "revoked_ns": int,
        },
        pk="id",
    )
    db.table("certificates").create(
        {"serial": str, "agent": str, "issued_ns": int, "expires_ns": int, "revoked_ns": int},
        pk="serial",
    )
    db.table("certificates").create_index(["agent"])
    # Agents of whom only the certificates listed above count: also those we have forgotten
    # (a restored backup) are refused.
    db.table("barred").create({"agent": str, "at_ns": int}, pk="agent")
    db.table("audit").create(
        {
            "id": int,
            "at_ns": int,
            "actor": str,
            "action": str,
            "subject": str,
            "result": str,
            "detail": str,
        },
        pk="id",
    )


@migrations(name="0002_timestamp_keys")
def create_stamp_keys(db: sqlite_utils.Database) -> None:
    """Create the tables of authenticated probes' secrets: by epoch, and who holds which.

    A rotation makes a new secret, an epoch. So does the end of an agent's certificate, from when on
    no earlier key of a pair with that agent counts.
    """
    db.table("stamp_epochs").create(
        {"epoch": int, "secret": bytes, "cause": str, "made_ns": int}, pk="epoch"
    )
    db.table("stamp_held").create({"agent": str, "epoch": int, "before": int}, pk="agent")
    db.table("stamp_since").create({"agent": str, "epoch": int}, pk="agent")


def keys_directory(data: pathlib.Path) -> pathlib.Path:
    """Return the directory of keys inside a data directory, made for its owner alone."""
    directory = data / KEYS_DIRECTORY
    try:
        make_private_directory(data, MARKS)
        make_private_directory(directory, (FILE_NAME, AUTHORITY_FILE))
        belong_to_owner(directory)
    except OSError as error:
        raise ResourceError(
            f"The directory {directory} cannot be created: {error.strerror}; check the "
            f"permissions and the free space there.",
            f"无法创建目录 {directory}：{reason_of(error).zh}；请检查权限和剩余空间。",
            file=str(directory),
        ) from error
    return directory


def belong_to_owner(path: pathlib.Path) -> None:
    """Give a file that root made to the owner of its directory, who is to read it."""
    if os.geteuid() == 0:
        parent = path.parent.stat()
        os.chown(path, parent.st_uid, parent.st_gid)


def open_tables(data: pathlib.Path) -> sqlite3.Connection:
    """Open the database of keys, made or brought forward; 0600. Raises ResourceError."""
    path = keys_directory(data) / FILE_NAME
    if (path.parent / AUTHORITY_FILE).exists() and _is_emptied(path, data):
        raise _emptied(path)
    try:
        make_private_database(path)
        belong_to_owner(path)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute("PRAGMA synchronous = FULL")
        db = sqlite_utils.Database(connection)
        if migrations.pending(db):
            db.enable_wal()
            migrations.apply(db)
    except (OSError, sqlite3.DatabaseError) as error:
        if is_damage(error):
            raise  # whoever opened the store says what to do
        reason = reason_of(error)
        raise ResourceError(
            f"The database of keys {path} cannot be opened ({reason.en}); check the permissions "
            f"and the free space of that directory.",
            f"无法打开密钥数据库 {path}（{reason.zh}）；请检查该目录的权限和剩余空间。",
            file=str(path),
        ) from error
    return connection


def reporting_keys_damage(data: pathlib.Path) -> AbstractContextManager[None]:
    """Raise ResourceError for whatever shows inside that the database of keys is damaged."""
    return reporting_faults(data / KEYS_DIRECTORY / FILE_NAME, _damaged)


def _damaged(path: pathlib.Path, error: BaseException) -> ResourceError:
    reason = reason_of(error)
    return ResourceError(
        f"The database of keys {path} is damaged ({reason.en}); restore the newest backup of "
        f"{path.parent}, which is backed up separately from the windows.",
        f"密钥数据库 {path} 已损坏（{reason.zh}）；请从最新备份恢复 {path.parent}"
        "（该目录与测量数据分开备份）。",
        file=str(path),
    )


def _is_emptied(path: pathlib.Path, data: pathlib.Path) -> bool:
    """Whether it holds nothing, or is gone from where a controller has run."""
    if path.is_file():
        return not path.stat().st_size
    return not os.path.lexists(path) and (data / SITES_NAME).is_file()


def _emptied(path: pathlib.Path) -> ResourceError:
    """What is said of a database whose tables were there when the authority was made."""
    return ResourceError(
        f"The database of keys {path} is empty or missing, although an authority was created "
        f"beside it: nobody could be authenticated. Restore the newest backup of {path.parent}; "
        f"without one, move that directory away, run isochrone controller init and enrol every "
        f"agent again.",
        f"密钥数据库 {path} 为空或已丢失，而旁边的证书颁发机构是在它之后创建的："
        f"现在无法验证任何人。请从最新备份恢复 {path.parent}；若没有备份，请移走该目录，"
        "执行 isochrone controller init 并重新注册所有探针。",
        file=str(path),
    )


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is written inside, all of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:  # a full disk may have rolled back by itself
            connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.OperationalError):
            raise ResourceError(
                f"The database of keys cannot be written ({error}); check the permissions and the "
                f"free space of its disk, and try again.",
                f"密钥数据库无法写入（{reason_of(error).zh}）；请检查权限和磁盘剩余空间后重试。",
            ) from error
        raise
