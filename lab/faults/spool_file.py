"""An agent's spool opened by its path: what a thief of the disk reads, and damage done on purpose.

This is the one place of the lab that knows how the product keeps something: no door lets damage
in, and none gives out again the octets that an agent delivers.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

_PAGE_BYTES, _TORN_BYTES = 4096, 64


def spool_of(state_dir: Path) -> Path:
    """Return where an agent keeps its spool."""
    return state_dir / "spool.sqlite3"


def waiting(path: Path) -> list[bytes]:
    """Return the chunks that wait to be delivered, as they will go over the wire; the oldest
    first."""
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as spool:
        rows = spool.execute("SELECT payload FROM chunk WHERE refused IS NULL ORDER BY sequence")
        return [payload for (payload,) in rows]


def is_kept(path: Path) -> bool:
    """Tell whether an agent has begun to keep its spool here."""
    try:
        waiting(path)
    except sqlite3.Error:
        return False
    return True


def tear(path: Path) -> None:
    """Overwrite the middle of every page but the first."""
    path.with_name(path.name + "-wal").unlink(missing_ok=True)
    content = bytearray(path.read_bytes())
    for page in range(_PAGE_BYTES, len(content), _PAGE_BYTES):
        content[page : page + _TORN_BYTES] = b"\xa5" * _TORN_BYTES
    path.write_bytes(bytes(content))


def flip(path: Path) -> None:
    """Flip a bit of the oldest chunk."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as spool:
        row = spool.execute("SELECT sequence, payload FROM chunk ORDER BY sequence").fetchone()
        if row is not None:
            changed = row[1][:-9] + bytes([row[1][-9] ^ 4]) + row[1][-8:]
            spool.execute("UPDATE chunk SET payload = ? WHERE sequence = ?", (changed, row[0]))
