"""`isochrone controller stamp-keys`: the secrets behind the keys of authenticated probes."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from controller.client.time_options import time_zone_option
from controller.commands.authority import DATA, me, opened_credential_store, say
from foundation.clock import SystemClock
from foundation.local_time import local_text
from foundation.text import Text

if TYPE_CHECKING:
    from controller.access.stamp_keyring import StampKeyring


@click.group("stamp-keys")
def stamp_keys() -> None:
    """Show and rotate the secret from which the keys of authenticated probes are derived."""


@stamp_keys.command("list")
@DATA
@time_zone_option
def list_(data: pathlib.Path) -> None:
    """List the secrets by fingerprint, with the number of agents that hold keys of each."""
    with _opened(data) as keyring:
        holders = keyring.holders()
        for epoch in keyring.epochs():
            made = local_text(epoch.made_ns)
            held = sum(1 for number in holders.values() if number == epoch.number)
            click.echo(f"{epoch.number:6}  {made}  {epoch.fingerprint}  {held:5}  {epoch.cause}")


@stamp_keys.command("rotate")
@DATA
def rotate(data: pathlib.Path) -> None:
    """Create a new secret; agents switch to its keys within seconds, without losing a probe."""
    with _opened(data) as keyring:
        number = keyring.rotate()
        fingerprint = keyring.epochs()[-1].fingerprint
    with opened_credential_store(data) as access:
        access.audit(
            actor=me(), action="rotate stamp keys", subject=f"epoch {number}", detail=fingerprint
        )
    say(
        Text(
            f"Epoch {number} ({fingerprint}). Reflectors accept it and the previous keys; senders "
            f"use it as soon as their peers have it. The previous keys expire with the next "
            f"rotation. To see who has it: isochrone controller stamp-keys list --data {data}",
            f"第 {number} 期密钥（指纹 {fingerprint}）。反射端同时接受新旧两期密钥，"
            "对端确认后发送端即启用新密钥；旧密钥在下一次轮换时失效。查看进度："
            f"isochrone controller stamp-keys list --data {data}",
        )
    )


@contextlib.contextmanager
def _opened(data: pathlib.Path) -> Iterator[StampKeyring]:
    from controller.access.stamp_keyring import StampKeyring

    with contextlib.closing(StampKeyring(data, SystemClock())) as keyring:
        yield keyring
