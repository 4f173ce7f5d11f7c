"""Targets of a probe run: from arguments and files to addresses, all names resolved at once."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from probes.errors import ConfigError
from probes.text import Text

IpVersion = Literal[4, 6]

_RESOLVERS = 64
_FAMILIES: dict[int | None, int] = {
    None: socket.AF_UNSPEC,
    4: socket.AF_INET,
    6: socket.AF_INET6,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedTarget:
    """A target as the user wrote it and the address it stands for, or why it stands for none."""

    name: str
    address: str | None = None
    ip_version: IpVersion | None = None
    error: Text | None = None


def read_targets(arguments: Sequence[str], file: Path | None) -> list[str]:
    """Return the targets of the arguments and of a file (one a line, ``#`` begins a comment).

    Each is kept once, in order. ConfigError if the file cannot be read or there is no target.
    """
    names = list(arguments)
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"The list of targets {file} cannot be read: {error}.",
                f"无法读取目标列表 {file}：{error}。",
                file=str(file),
            ) from error
        lines = (line.partition("#")[0].split() for line in text.splitlines())
        names += [words[0] for words in lines if words]
    if not names:
        raise ConfigError(
            "There is no target; name one or more, or give a file with --file.",
            "没有目标；请在命令行中给出，或用 --file 指定文件。",
        )
    return list(dict.fromkeys(names))


def resolve(names: Iterable[str], ip_version: IpVersion | None) -> list[ResolvedTarget]:
    """Return each name with its address; names are looked up concurrently, addresses not at all."""
    found = [_literal(name, ip_version) for name in names]
    unknown = [index for index, target in enumerate(found) if not (target.address or target.error)]
    if unknown:
        with ThreadPoolExecutor(min(_RESOLVERS, len(unknown)), "resolve") as pool:
            answers = pool.map(lambda index: _looked_up(found[index].name, ip_version), unknown)
            for index, answer in zip(unknown, answers, strict=True):
                found[index] = answer
    return found


def _literal(name: str, wanted: IpVersion | None) -> ResolvedTarget:
    """Return the target if it is an address already."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return ResolvedTarget(name=name)
    version: IpVersion = 6 if address.version == 6 else 4
    if wanted is not None and version != wanted:
        error = Text(f"{name} is no IPv{wanted} address.", f"{name} 不是 IPv{wanted} 地址。")
        return ResolvedTarget(name=name, error=error)
    return ResolvedTarget(name=name, address=str(address), ip_version=version)


def _looked_up(name: str, wanted: IpVersion | None) -> ResolvedTarget:
    try:
        answers = socket.getaddrinfo(name, None, _FAMILIES[wanted], socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        text = Text(f"{name} cannot be resolved: {reason}.", f"无法解析 {name}：{reason}。")
        return ResolvedTarget(name=name, error=text)
    family, _, _, _, address = answers[0]
    return ResolvedTarget(
        name=name, address=str(address[0]), ip_version=6 if family == socket.AF_INET6 else 4
    )
