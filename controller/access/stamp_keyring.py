"""The keys of authenticated probes (RFC 8762 §4.4), one for each ordered pair of agents.

    key = HKDF-Expand(secret of the epoch, "isochrone stamp key 1" 00 sender 00 reflector, 32)

(RFC 5869 §2.3; the secret is 32 random octets, so nothing has to be extracted.) The secrets are in
the database of keys, and nothing but the keys of an agent's own pairs ever leaves it. A sender is
given a key only once its reflector has said that it answers to that epoch, so that going over to
new keys costs no probe; a reflector answers to the previous ones until the next rotation.
"""

from __future__ import annotations

import pathlib
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from controller.access.key_database import open_tables, transaction
from foundation.clock import Clock

KEY_BYTES = 32
SECRET_BYTES = 32
KEPT_EPOCHS = 8
ROTATION = "rotation"  # the cause of an epoch, else the name of the agent that was shut out
_FINGERPRINT_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One secret: when and why it was made (`rotation`, or the agent that was shut out)."""

    number: int
    secret: bytes = field(repr=False)
    cause: str
    made_ns: int

    @property
    def fingerprint(self) -> str:
        """What tells one secret from another and says nothing of it, in hexadecimal."""
        return _expand(self.secret, b"isochrone stamp fingerprint 1", _FINGERPRINT_BYTES).hex()


@dataclass(frozen=True, slots=True)
class _Held:
    """The newest epoch that an agent's reflector answers to, and the one before."""

    epoch: int
    before: int


@dataclass(frozen=True, slots=True)
class _Facts:
    """All that the tables say. `since` is the first epoch that counts for an agent."""

    epochs: dict[int, Epoch]  # ascending
    held: dict[str, _Held]
    since: dict[str, int]

    @property
    def oldest_answered(self) -> int:
        """The oldest epoch that reflectors answer to: that of the rotation before the last."""
        rotations = [each.number for each in self.epochs.values() if each.cause == ROTATION]
        return rotations[-2] if len(rotations) > 1 else 0

    def used_towards(self, reflector: str) -> int:
        """Return the oldest epoch whose keys a reflector's senders may be using.

        While they are being told that it has the newest one, that is the one it had before.
        """
        newest, held = max(self.epochs, default=0), self.held.get(reflector)
        if held is None or held.epoch not in self.epochs:
            return newest
        return held.before if held.epoch == newest else held.epoch

    def first_of_pair(self, one: str, other: str) -> int:
        """Return the first epoch whose key of this pair counts."""
        return max(self.since.get(one, 0), self.since.get(other, 0))


class StampKeyring:
    """The keys of one data directory. Calls from any thread; writes are committed.

    `generation` grows with every change that may change an agent's keys.
    """

    def __init__(self, data: pathlib.Path, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._connection = open_tables(data)
        self._seen = -1
        self._facts = _Facts({}, {}, {})
        self.generation = 0
        self.refresh()

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            self._connection.close()

    def refresh(self) -> None:
        """Read again what another process, or the credential store, changed."""
        with self._lock:
            seen = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
            if seen != self._seen:
                self._read()
                self._seen = seen

    def _read(self) -> None:
        ask = self._connection.execute
        epochs = {
            row["epoch"]: Epoch(
                number=row["epoch"],
                secret=row["secret"],
                cause=row["cause"],
                made_ns=row["made_ns"],
            )
            for row in ask("SELECT * FROM stamp_epochs ORDER BY epoch")
        }
        held = {r["agent"]: _Held(r["epoch"], r["before"]) for r in ask("SELECT * FROM stamp_held")}
        since = {row["agent"]: row["epoch"] for row in ask("SELECT * FROM stamp_since")}
        facts = _Facts(epochs, held, since)
        if facts != self._facts:
            self._facts = facts
            self.generation += 1

    def epochs(self) -> list[Epoch]:
        """Return the secrets that are kept, oldest first."""
        return list(self._facts.epochs.values())

    def current(self) -> int:
        """Return the number of the newest epoch; the first one is made if there is none."""
        if not self._facts.epochs:
            self.rotate()
        return next(reversed(self._facts.epochs))

    def rotate(self) -> int:
        """Make a new epoch; return its number."""
        with self._writing() as connection:
            return add_epoch(connection, ROTATION, self._clock.wall_ns())

    def holders(self) -> dict[str, int]:
        """Return the newest epoch that each agent has said it answers to."""
        return {agent: held.epoch for agent, held in self._facts.held.items()}

    def note_holder(self, agent: str, epoch: int) -> None:
        """Remember what an agent says it answers to; a number we do not know says nothing."""
        held = self._facts.held.get(agent)
        if epoch in self._facts.epochs and (held is None or held.epoch != epoch):
            with self._writing() as connection:
                note_holder(connection, agent, epoch)

    def probing(self, sender: str, reflector: str) -> bytes | None:
        """Return the key `sender` is to use, None while `reflector` answers to none of theirs."""
        facts = self._facts
        held = facts.held.get(reflector)
        if held is None or held.epoch < facts.first_of_pair(sender, reflector):
            return None
        epoch = facts.epochs.get(held.epoch)
        return None if epoch is None else pair_key(epoch.secret, sender, reflector)

    def answering(self, sender: str, reflector: str) -> tuple[bytes, ...]:
        """Return the keys `reflector` is to answer `sender` under, newest first."""
        facts = self._facts
        oldest = min(facts.oldest_answered, facts.used_towards(reflector))
        oldest = max(oldest, facts.first_of_pair(sender, reflector))
        return tuple(
            pair_key(epoch.secret, sender, reflector)
            for epoch in reversed(facts.epochs.values())
            if epoch.number >= oldest
        )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            with transaction(self._connection):
                yield self._connection
            self._read()


def pair_key(secret: bytes, sender: str, reflector: str) -> bytes:
    """Return the key of probes from `sender` to `reflector`, and of the answers (module text)."""
    info = b"isochrone stamp key 1\0" + sender.encode() + b"\0" + reflector.encode()
    return _expand(secret, info, KEY_BYTES)


def _expand(secret: bytes, info: bytes, length: int) -> bytes:
    return HKDFExpand(algorithm=SHA256(), length=length, info=info).derive(secret)


# The rows behind the keys: these work inside a transaction.


def add_epoch(connection: sqlite3.Connection, cause: str, now_ns: int) -> int:
    """Add an epoch with its own secret; return its number. The oldest ones go."""
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
