"""`isochrone controller init` and `stamp-keys`: the keys, from the controller's own machine.

They write the data directory; a running controller notices within seconds.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from controller.client.options import time_zone_option
from foundation.clock import SystemClock
from foundation.errors import ConfigError
from foundation.local_time import local_text
from foundation.text import Text, language_of_environment

if TYPE_CHECKING:
    from controller.access.credential_store import CredentialStore
    from controller.access.stamp_keyring import StampKeyring

DATA = click.option(
    "--data", type=click.Path(path_type=pathlib.Path), required=True, help="Data directory."
)


@click.command("init")
@DATA
@click.option(
    "--name",
    "names",
    multiple=True,
    help="Host name or address by which agents and people reach the server; may be repeated.",
)
def init(data: pathlib.Path, names: tuple[str, ...]) -> None:
    """Create the private certificate authority, the server certificate and the first admin token.

    Run it again with --name to issue a new server certificate for these names.
    """
    from controller.access.certificate_authority import (
        ALWAYS_HOSTS,
        authority_exists,
        create_authority,
        load_authority,
    )
    from controller.access.certificates import certified_hosts

    hosts, actor = certified_hosts(names, ALWAYS_HOSTS), me()
    if authority_exists(data):
        authority = load_authority(data, SystemClock())
        if not names:
            raise ConfigError(
                f"{data} has its authority already. Give --name to make the server a certificate "
                "for other names, or `isochrone controller token create` for another token.",
                f"{data} 已初始化。如需更换服务器证书中的名称，请加 --name；"
                "如需新的令牌，请执行 isochrone controller token create。",
                file=str(data),
            )
        with opened_credential_store(data) as credentials:
            authority.renew_server(hosts)
            credentials.audit(actor=actor, action="renew server", subject=", ".join(hosts))
        say(_certified(hosts))
        return
    # The book first, and the token last: it is shown once, so nothing may fail behind it.
    with opened_credential_store(data, new=True) as credentials:
        authority = create_authority(data, hosts, SystemClock())
        credentials.audit(actor=actor, action="init", subject=authority.fingerprint)
        token = credentials.create_api_token("admin", "first admin", None)
    say(_certified(hosts))
    say(
        Text(
            f"People and agents check the controller against {authority.file}. The admin token "
            "below is shown only once and stored nowhere:",
            f"客户端与探针使用 {authority.file} 验证控制器。以下管理员令牌仅显示一次，不会保存：",
        )
    )
    click.echo(token)


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
            "use it as soon as their peers have it. The previous keys expire with the next "
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


def _certified(hosts: list[str]) -> Text:
    names = ", ".join(hosts)
    return Text(
        f"The server's certificate is for: {names} (other names: --name).",
        f"服务器证书适用于：{names}（其他名称请用 --name 指定）。",
    )


@contextlib.contextmanager
def opened_credential_store(data: pathlib.Path, *, new: bool = False) -> Iterator[CredentialStore]:
    """Open the credential store for a while; with `new` it may be made."""
    from controller.access.credential_store import CredentialStore
    from controller.access.key_database import FILE_NAME, reporting_keys_damage
    from controller.data_directory import KEYS_DIRECTORY

    path = data / KEYS_DIRECTORY / FILE_NAME
    if (
        not new and not path.exists()
    ):  # a mistyped directory must not be made, and answer that nothing is there
        raise ConfigError(
            f"There are no credentials in {data}; name the controller's data directory with "
            "--data, or create them with isochrone controller init.",
            f"{data} 中没有凭证；请用 --data 指定控制器的数据目录，或先执行 "
            "isochrone controller init。",
            data=str(data),
        )
    with reporting_keys_damage(data):
        credentials = CredentialStore(data, SystemClock())
    try:
        yield credentials
    finally:
        credentials.close()


def me() -> str:
    """Return who runs this command, for the audit log."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a user without a line in passwd, as in containers
        name = f"uid {os.geteuid()}"
    return f"command line of {name.encode('ascii', 'backslashreplace').decode('ascii')}"


def say(text: Text) -> None:
    """Tell a person in his language, apart from the output."""
    click.echo(text.pick(language_of_environment()), err=True)
