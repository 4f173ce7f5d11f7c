"""Results that could not be shown, for want of a terminal, a reader or room, are kept in a file.

They lie in `$XDG_STATE_HOME/isochrone` (`~/.local/state/isochrone`), for their owner alone; where
that cannot be written, in the folder of temporary files. Who could not be told is told next time.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import IsochroneError, ResourceError
from foundation.reasons import reason_of
from foundation.text import Text

MOST_KEPT = 20  # files; the oldest make room
_UNANNOUNCED = "unannounced"  # names of files that were not announced yet, one per line
_STYLE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\r(?=\n)")  # colours and moves of a terminal


@dataclass(frozen=True, slots=True)
class SavedResults:
    """Where results were kept. `listed`: the next run can report it."""

    path: Path
    listed: bool


def state_folder() -> Path:
    """Return where this user's state lies. Raises RuntimeError for a user without a home."""
    given = os.environ.get("XDG_STATE_HOME", "")
    base = Path(given) if Path(given).is_absolute() else Path("~/.local/state").expanduser()
    if not base.is_absolute():
        raise RuntimeError("no home")
    return base / "isochrone"


def keep(command: str, content: bytes) -> SavedResults:
    """Write what `command` found into a new file. Raises OSError where no place has room."""
    name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    name = f"{name}-{command.replace(' ', '-')}-"
    plain = _STYLE.sub(b"", content)
    with contextlib.suppress(OSError, RuntimeError):
        folder = state_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        kept = _written(name, plain, folder)
        _leave_the_newest(folder)
        return SavedResults(kept, listed=True)
    return SavedResults(
        _written(f"isochrone-{name}", plain, Path(tempfile.gettempdir())), listed=False
    )


def mark_unannounced(kept: SavedResults) -> None:
    """Let the next run report what nobody was told now."""
    if kept.listed:
        with contextlib.suppress(OSError):
            path = kept.path.parent / _UNANNOUNCED
            with open(path, "a", opener=_private) as file:
                file.write(f"{kept.path.name}\n")


def unannounced() -> list[Path]:
    """Return what was kept and nobody was told of."""
    try:
        folder = state_folder()
        names = (folder / _UNANNOUNCED).read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, RuntimeError):
        return []
    return [folder / name for name in names if name and (folder / name).is_file()]


def clear_unannounced() -> None:
    """Somebody was told of what was kept."""
    with contextlib.suppress(OSError, RuntimeError):
        (state_folder() / _UNANNOUNCED).unlink()


def announcement_later(paths: list[Path]) -> Text:
    """Return the sentence for who runs the next command."""
    places = ", ".join(map(str, paths))
    return Text(
        f"Results of an earlier run could not be shown and were kept: {places}.",
        f"先前一次运行的结果当时无法显示，已保存到：{places}。",
    )


def announcement_now(error: OSError, kept: SavedResults | OSError) -> IsochroneError:
    """Return the sentence for who is still there to read it."""
    reason = reason_of(error)
    if isinstance(kept, SavedResults):
        return ResourceError(
            f"The output cannot be written: {reason.en}; the results are in {kept.path}.",
            f"无法写入输出：{reason.zh}；结果已保存到 {kept.path}。",
        )
    other = reason_of(kept)
    return ResourceError(
        f"The output cannot be written: {reason.en}; neither can a file with the results, in the "
        f"home directory or among temporary files: {other.en}. Free space and run it again.",
        f"无法写入输出：{reason.zh}；主目录与临时目录也无法保存结果：{other.zh}。"
        "请清理磁盘后重新运行。",
    )


def _written(name: str, content: bytes, folder: Path) -> Path:
    number, made = tempfile.mkstemp(prefix=name, suffix=".txt", dir=folder)  # 0600, and ours alone
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(number)
    except OSError:
        with contextlib.suppress(OSError):
            Path(made).unlink()
        raise
    return Path(made)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _leave_the_newest(folder: Path) -> None:
    files = sorted(folder.glob("*.txt"), key=lambda path: path.name)
    for old in files[:-MOST_KEPT]:
        with contextlib.suppress(OSError):
            old.unlink()
