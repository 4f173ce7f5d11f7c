"""Opening a database: to write to it, brought forward to this version, or to look at it alone.

And what is said of one that is damaged, emptied, somebody else's or newer than we are. Of one that
is only looked at nothing is changed, and nothing is left beside it, also on a medium that cannot
be written.
"""

from __future__ import annotations

import pathlib
import sqlite3
from contextlib import AbstractContextManager

import sqlite_utils

from controller.data_directory import SITES_NAME
from controller.store.interface import DamagedStoreError
from controller.store.sqlite.schema import APPLICATION_ID, PAGE_BYTES, migrations
from foundation.errors import ConfigError, ResourceError
from foundation.private_files import NoRegularFileError, check_regular, make_private_database
from foundation.reasons import reason_of
from foundation.sqlite_faults import fault_of, is_damage, reporting_faults


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


def migrate(path: pathlib.Path) -> None:
    """Create the database at `path`, or bring it forward to this version.

    Raises ConfigError for a file that is not ours or is from a newer Isochrone, ResourceError
    where the file cannot be written.
    """
    try:
        db = sqlite_utils.Database(sqlite3.connect(path))
        try:
            _migrate(db, path)
        finally:
            db.close()
    except (ValueError, TypeError) as error:  # what it says of itself makes no sense
        raise damaged(path, error) from error
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            raise foreign(path) from error
        if is_damage(error):
            raise damaged(path, error) from error
        raise ResourceError(
            f"The database {path} cannot be opened ({error}); check the free space and the rights "
            "of that directory.",
            f"无法打开数据库 {path}（{reason_of(error).zh}）；请检查该目录的剩余空间和权限。",
            file=str(path),
        ) from error


def _migrate(db: sqlite_utils.Database, path: pathlib.Path) -> None:
    owner = db.execute("PRAGMA application_id").fetchone()[0]
    if owner not in (APPLICATION_ID, 0) or (owner == 0 and db.table_names()):
        raise foreign(path)
    known = {migration.name for migration in migrations.pending(db)}
    applied = {migration.name for migration in migrations.applied(db)}
    unknown = sorted(applied - {name for name in _names() if name not in known})
    if unknown and known:  # a newer one has brought all of ours forward, too
        raise damaged(path, ValueError(f"it has {unknown[-1]} and lacks {min(known)}"))
    if unknown:
        raise ConfigError(
            f"The database {path} was written by a newer Isochrone (it has {unknown[-1]}); "
            "install that version or use another --data directory.",
            f"数据库 {path} 由更新版本的 Isochrone 写入（含 {unknown[-1]}）；"
            "请安装该版本，或用 --data 指定其他目录。",
            file=str(path),
        )
    if owner == 0:  # these two take effect only before the first table
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # so that retention can give space back
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.enable_wal()
    migrations.apply(db)


def _names() -> list[str]:
    """Return the names of all migrations this version knows."""
    empty = sqlite_utils.Database(memory=True)
    try:
        return [migration.name for migration in migrations.pending(empty)]
    finally:
        empty.close()


def foreign(path: pathlib.Path) -> ConfigError:
    """Return what to say of a file that is not ours."""
    return ConfigError(
        f"{path} is not an Isochrone database; move it away or use another --data directory.",
        f"{path} 不是 Isochrone 的数据库；请将其移走，或用 --data 指定其他目录。",
        file=str(path),
    )


def open_to_write(path: pathlib.Path, max_pages: int | None) -> sqlite3.Connection:
    """Return the connection that writes, to a database of this version."""
    if path.with_name(SITES_NAME).is_file() and path.is_file() and not path.stat().st_size:
        raise _emptied(path)
    try:
        make_private_database(path)
    except NoRegularFileError as error:
        raise ResourceError(
            f"{path} or a log beside it is not a regular file; move it away, and restore the "
            f"newest backup that `isochrone controller backup` made if there was a database.",
            f"{path} 或其日志文件不是普通文件；请将其移走；若原有数据库，请恢复 isochrone "
            "controller backup 生成的最新备份。",
            file=str(path),
        ) from error
    except OSError:
        pass  # `migrate` says what is wrong
    migrate(path)
    with reporting_damage(path):
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA busy_timeout = 5000")
        if max_pages is not None:
            connection.execute(f"PRAGMA max_page_count = {int(max_pages)}")
    return connection


def _emptied(path: pathlib.Path) -> ResourceError:
    return ResourceError(
        f"The database {path} is empty, although a controller has run in this directory: its "
        f"measurements are gone. Restore the newest backup that `isochrone controller backup` "
        "made, or remove the empty file to start afresh.",
        f"数据库 {path} 为空，但控制器曾在该目录运行：其中的测量数据已不存在。请恢复 isochrone "
        "controller backup 生成的最新备份，或删除该空文件以重新开始。",
        file=str(path),
    )
