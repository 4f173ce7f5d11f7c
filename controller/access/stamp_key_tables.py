"""The rows behind the keys of authenticated probes: secrets by epoch, who holds which.

A rotation makes a new secret, an epoch. So does the end of an agent's certificate, from when on no
earlier key of a pair with that agent counts. Functions here work inside a transaction.
"""

from __future__ import annotations

import secrets
import sqlite3

ROTATION = "rotation"  # the cause of an epoch, else the name of the agent that was shut out
KEPT_EPOCHS = 8
SECRET_BYTES = 32


def add_epoch(connection: sqlite3.Connection, cause: str, now_ns: int) -> int:
    """Add an epoch with a secret of its own; return its number. The oldest ones go."""
    number = 1 + int(
        connection.execute("SELECT COALESCE(MAX(epoch), 0) FROM stamp_epochs").fetchone()[0]
    )
    connection.execute(
        "INSERT INTO stamp_epochs (epoch, secret, cause, made_ns) VALUES (?, ?, ?, ?)",
        (number, secrets.token_bytes(SECRET_BYTES), cause, now_ns),
    )
    connection.execute("DELETE FROM stamp_epochs WHERE epoch <= ?", (number - KEPT_EPOCHS,))
    return number


def shut_out(connection: sqlite3.Connection, agent: str, now_ns: int) -> None:
    """Let all keys of pairs with an agent be worth nothing, if there are any."""
    forget_holder(connection, agent)
    if connection.execute("SELECT 1 FROM stamp_epochs").fetchone() is None:
        return
    epoch = add_epoch(connection, agent, now_ns)
    connection.execute("INSERT OR REPLACE INTO stamp_since VALUES (?, ?)", (agent, epoch))


def forget_holder(connection: sqlite3.Connection, agent: str) -> None:
    """Forget what an agent said it holds: whoever has its certificate now has no keys yet."""
    connection.execute("DELETE FROM stamp_held WHERE agent = ?", (agent,))


def note_holder(connection: sqlite3.Connection, agent: str, epoch: int) -> None:
    """Remember that an agent's reflector answers to the keys of an epoch, and to what before."""
    connection.execute(
        "INSERT INTO stamp_held (agent, epoch, before) VALUES (?, ?, ?) "
        "ON CONFLICT (agent) DO UPDATE SET before = stamp_held.epoch, epoch = excluded.epoch",
        (agent, epoch, epoch),
    )
