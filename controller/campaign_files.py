"""Where a campaign's report goes: what was measured for hours is not lost for want of a place."""

from __future__ import annotations

import contextlib
import os
import pathlib
import tempfile
import time

from probes.errors import ResourceError
from probes.reasons import reason_of


def check_folder(folder: pathlib.Path) -> None:
    """Make the folder and see that a file can be written there. Raises ResourceError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = reason_of(error)
        raise ResourceError(
            f"Cannot write {folder}: {reason.en}; choose another place with --out.",
            f"无法写入 {folder}：{reason.zh}；请用 --out 指定其他位置。",
            file=str(folder),
        ) from error


def write_report(path: pathlib.Path, page: str) -> pathlib.Path | None:
    """Write a report; an earlier one of that name is kept beside it, under the name returned.

    Raises ResourceError, which names where the report was written instead, if anywhere.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(page, encoding="utf-8")
        earlier = _keep_earlier(path)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise _written_elsewhere(path, page, error) from error
    return earlier


def _keep_earlier(path: pathlib.Path) -> pathlib.Path | None:
    """Rename a file that is there already after the time of its writing; return its new name."""
    if not path.exists():
        return None
    written = time.strftime("%Y%m%dT%H%M%S", time.localtime(path.stat().st_mtime))
    earlier = path.with_name(f"{path.stem}-{written}{path.suffix}")
    path.replace(earlier)
    return earlier


def _written_elsewhere(path: pathlib.Path, page: str, error: OSError) -> ResourceError:
    reason = reason_of(error)
    try:
        number, name = tempfile.mkstemp(prefix=f"{path.stem}-", suffix=path.suffix)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(page)
    except OSError:
        return ResourceError(
            f"Cannot write {path}: {reason.en}, and no temporary file either; free space and run "
            "the campaign again. A running controller keeps what was measured.",
            f"无法写入 {path}：{reason.zh}，临时目录也不可写；请清理磁盘后重新运行。"
            "运行中的控制器会保留已测数据。",
            file=str(path),
        )
    return ResourceError(
        f"Cannot write {path}: {reason.en}. The report is in {name}; move it to a safe place.",
        f"无法写入 {path}：{reason.zh}。报告已保存到 {name}，请移至安全位置。",
        file=name,
    )
