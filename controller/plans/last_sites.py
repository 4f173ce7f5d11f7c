"""The site file that the plans in a data directory were made from, for a start without room.

Plans of a changed file need new versions, which are kept before anybody gets them. Where the disk
has no room for that, the previous file is served on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib

from controller.data_directory import SITES_NAME as NAME
from foundation.errors import ConfigError
from foundation.private_files import FILE_MODE, tighten
from foundation.text import Text
from topology.network import Network
from topology.site_file import load_network


def keep_sites(directory: pathlib.Path, network: Network) -> None:
    """Keep the text that `network` was read from, if there is room: whole, or as it was."""
    path, part = directory / NAME, directory / f".{NAME}.part"
    text = network.text.encode()
    with contextlib.suppress(OSError):
        if path.is_file():
            tighten(path)
        if not text or (path.is_file() and path.read_bytes() == text):
            return
        try:
            part.unlink(missing_ok=True)
            number = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
            with os.fdopen(number, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(number)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def last_network(directory: pathlib.Path, reason: Text) -> Network | None:
    """Return the previous network, whose warnings tell why it is served; None without one."""
    try:
        network = load_network(directory / NAME)
    except ConfigError:
        return None
    said = Text(
        f"The site file was changed, but its plans cannot be saved: {reason.en} The previous site "
        f"file stays in use; once that is solved, reload (SIGHUP) or restart.",
        f"站点文件已更改，但其计划无法保存：{reason.zh}"
        "目前仍沿用先前的站点文件；排除故障后请重新加载（SIGHUP）或重新启动。",
    )
    return dataclasses.replace(network, warnings=(said, *network.warnings))
