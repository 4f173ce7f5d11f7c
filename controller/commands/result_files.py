"""Where results go: what was measured for long is not lost for want of a place to write it."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import signal
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import BinaryIO

from foundation.errors import ConfigError, ResourceError
from foundation.input_files import named_file
from foundation.reasons import reason_of

STANDARD_OUTPUT = "-"
ROOM_BYTES = 1 << 20  # a report of some hundred paths


def check_folder(folder: pathlib.Path, option: str, *, make: bool = False) -> None:
    """See that there is room in a folder (made with `make`). ResourceError naming `option`."""
    try:
        if make:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as trial:
            os.posix_fallocate(trial.fileno(), 0, ROOM_BYTES)
    except OSError as error:
        reason = reason_of(error)
        raise ResourceError(
            f"Cannot write into {folder}: {reason.en}; choose another place with {option}.",
            f"无法写入 {folder}：{reason.zh}；请用 {option} 指定其他位置。",
            file=str(folder),
        ) from error


def check_place(path: pathlib.Path, option: str, *, overwrite: bool = False) -> None:
    """See that a result can be written there, before it is measured for. ResourceError, or
    ConfigError where a file is there that nobody asked to replace."""
    if is_written_through(path) and not path.is_socket():
        return
    if not overwrite and path.is_file() and path.stat().st_size:
        raise _is_there(path, option)
    try:
        place = named_file(path)
        if path.is_socket():
            raise OSError(errno.ENXIO, os.strerror(errno.ENXIO), str(path))
    except OSError as error:
        reason = reason_of(error)
        raise ResourceError(
            f"Cannot write {path}: {reason.en}; choose another place with {option}.",
            f"无法写入 {path}：{reason.zh}；请用 {option} 指定其他位置。",
            file=str(path),
        ) from error
    check_folder(place.parent, option)


def is_written_through(path: pathlib.Path) -> bool:
    """Tell whether what is written goes to standard output, a device, a pipe or a socket."""
    if str(path) == STANDARD_OUTPUT:
        return True
    try:
        mode = path.stat()
        out = os.fstat(1)
    except OSError:
        return False
    same = (mode.st_dev, mode.st_ino) == (out.st_dev, out.st_ino)  # /dev/stdout
    return same or not (stat.S_ISREG(mode.st_mode) or stat.S_ISDIR(mode.st_mode))


@contextlib.contextmanager
def result_file(
    path: pathlib.Path, option: str = "--output", *, overwrite: bool = True
) -> Iterator[BinaryIO]:
    """Yield what a result is written into: the file is there whole in the end, or as it was.

    `-` is standard output. Devices and pipes are written through, a link's file is replaced and not
    the link. Raises OSError where it cannot be written, ConfigError for a file that is there.
    """
    if is_written_through(path):
        with _through(path) as file:
            yield file
        return
    place = named_file(path)
    if not overwrite and place.is_file() and place.stat().st_size:
        raise _is_there(path, option)
    if place.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    number, name = tempfile.mkstemp(prefix=f".{place.name}.", suffix=".part", dir=place.parent)
    part = pathlib.Path(name)
    try:
        with os.fdopen(number, "wb") as file, _removed_by_signals(part):
            yield file
            file.flush()
            os.fchmod(number, _mode_of(place))
            os.fsync(number)
        part.replace(place)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def _removed_by_signals(part: pathlib.Path) -> Iterator[None]:
    """Let a signal that ends the program take the unfinished file with it.

    A signal that the program handles in its own way (or ignores: nohup) is left to it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # where Python sets no handlers
        return

    def end(number: int, _frame: object) -> None:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    ours = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def _through(path: pathlib.Path) -> Iterator[BinaryIO]:
    if str(path) != STANDARD_OUTPUT:
        with path.open("wb") as file:
            yield file
        return
    sys.stdout.flush()
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


def _mode_of(place: pathlib.Path) -> int:
    """Return the rights of the file that is replaced, or those of a new one."""
    with contextlib.suppress(OSError):
        return stat.S_IMODE(place.stat().st_mode)
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def _is_there(path: pathlib.Path, option: str) -> ConfigError:
    return ConfigError(
        f"{path} exists already; name another file with {option}, or replace it with --overwrite.",
        f"{path} 已存在；请用 {option} 指定其他文件，或用 --overwrite 覆盖。",
        file=str(path),
    )


def write_result(path: pathlib.Path, content: bytes) -> None:
    """Write a file whole or not at all; see `result_file`.

    Raises ResourceError, which names where the content was written instead, if anywhere.
    """
    try:
        with result_file(path) as file:
            file.write(content)
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # whoever reads has seen enough
        raise _written_elsewhere(path, content, error) from error


def keep_earlier(path: pathlib.Path) -> pathlib.Path | None:
    """Rename a file that exists already after the time of its writing; return its new name."""
    if not path.exists():
        return None
    written = time.strftime("%Y%m%dT%H%M%S", time.localtime(path.stat().st_mtime))
    earlier = path.with_name(f"{path.stem}-{written}{path.suffix}")
    path.rename(earlier)
    return earlier


def _written_elsewhere(path: pathlib.Path, content: bytes, error: OSError) -> ResourceError:
    reason = reason_of(error)
    try:
        number, name = tempfile.mkstemp(prefix=f"{path.stem}-", suffix=path.suffix)
        with os.fdopen(number, "wb") as file:
            file.write(content)
    except OSError:
        return ResourceError(
            f"Cannot write {path}: {reason.en}, and no temporary file either; free space and run "
            "it again. A running controller keeps what was measured.",
            f"无法写入 {path}：{reason.zh}，临时目录也不可写；请清理磁盘后重新运行。"
            "运行中的控制器会保留已测数据。",
            file=str(path),
        )
    return ResourceError(
        f"Cannot write {path}: {reason.en}. The content is in {name}; move it to a safe place.",
        f"无法写入 {path}：{reason.zh}。内容已保存到 {name}，请移至安全位置。",
        file=name,
    )
