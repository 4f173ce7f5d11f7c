"""A quick look at the database that is there, for `isochrone controller doctor`."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sqlite3

from controller.store.interface import Examined
from controller.store.sqlite.database import FILE_NAME
from controller.store.sqlite.reading import open_to_read
from foundation.errors import IsochroneError
from foundation.text import Text


def examine(directory: pathlib.Path) -> Examined | None:
    """Say whether the database of a directory is sound; None where there is none."""
    path = directory / FILE_NAME
    with contextlib.suppress(PermissionError):  # `open_to_read` says so
        if not os.path.lexists(path):
            return None
    try:
        with contextlib.closing(open_to_read(path)) as database:
            (sound,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        sound = str(error)
    except IsochroneError as error:
        return Examined(sound=False, text=error.text)
    if sound != "ok":
        said = Text(
            f"{path} is damaged ({sound}); stop the controller and restore a backup.",
            f"{path} 已损坏（{sound}）；请停止控制器并从备份恢复。",
        )
        return Examined(sound=False, text=said)
    size = f"{path.stat().st_size / 2**20:.1f} MiB"
    return Examined(sound=True, text=Text(f"{path} is sound, {size}.", f"{path} 完好，{size}。"))
