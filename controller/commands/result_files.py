"""Where results go: what was measured for long is not lost for want of a place to write it."""

from __future__ import annotations

import contextlib
import os
import pathlib
import tempfile
import time

from probes.errors import ResourceError
from probes.reasons import reason_of

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


def write_result(path: pathlib.Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises ResourceError, which names where the content was written instead, if anywhere.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise _written_elsewhere(path, content, error) from error


def keep_earlier(path: pathlib.Path) -> pathlib.Path | None:
    """Rename a file that is there already after the time of its writing; return its new name."""
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
