"""Targets of a probe run: from arguments and files to addresses, all names resolved at once."""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from foundation.errors import ConfigError, UsageError
from foundation.input_files import read_input
from foundation.literals import AddressError, fault_of, read_address
from foundation.reasons import reason_of
from foundation.text import Text
from probes.remark import Remark

IpVersion = Literal[4, 6]

_RESOLVERS = 64
_FAMILIES: dict[int | None, int] = {
    None: socket.AF_UNSPEC,
    4: socket.AF_INET,
    6: socket.AF_INET6,
}


_EMPTY = Text("A target is empty; name a host or an address.", "目标为空；请给出主机名或地址。")
_NO_SUBJECT, _TARGETS = Text("", ""), Text("{targets} ", "{targets} ")
_OTHER_FAMILY = {
    4: Text(
        "{targets}: not an IPv4 address, as --ipv4 or --source requires.",
        "{targets} 不是 IPv4 地址，与 --ipv4 或 --source 不符。",
    ),
    6: Text(
        "{targets}: not an IPv6 address, as --ipv6 or --source requires.",
        "{targets} 不是 IPv6 地址，与 --ipv6 或 --source 不符。",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedTarget:
    """A target as the user wrote it and the address it stands for, or why it stands for none.

    In `error`, `{targets}` stands for the name (probes.remark).
    """

    name: str
    address: str | None = None
    source: str | None = None  # to leave from; absent for the system's choice
    ip_version: IpVersion | None = None
    error: Remark | None = None


def read_targets(arguments: Sequence[str], file: Path | None) -> list[str]:
    """Return the targets of the arguments and of a file (one per line, ``#`` starts a comment).

    Each is kept once, in order. ConfigError if the file cannot be read or there is no target.
    """
    names = list(arguments)
    if file is not None:
        lines = (line.partition("#")[0].split() for line in _text_of(file).splitlines())
        names += [words[0] for words in lines if words]
    if not names:
        raise UsageError(
            "No target given; name one or more, or give a file with --file (- for standard input).",
            "没有目标；请在命令行中给出，或用 --file 指定文件（- 为标准输入）。",
        )
    return list(dict.fromkeys(names))


def _text_of(file: Path) -> str:
    """Return what a file holds, or standard input for ``-``. Raises ConfigError."""
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read().decode("utf-8")
        return read_input(file).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = reason_of(error)
        raise ConfigError(
            f"The list of targets {file} cannot be read: {reason.en}.",
            f"无法读取目标列表 {file}：{reason.zh}。",
            file=str(file),
        ) from error


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
    """Return the target if it is an address already, with an error if that is no single host's."""
    if not name.strip():
        return _refused(name, "target_empty", _EMPTY)
    try:
        address = read_address(name)
    except AddressError as error:
        return _refused(name, "target_ambiguous", _sentence(error.text, _NO_SUBJECT))
    if address is None:
        return ResolvedTarget(name=name)
    if wanted is not None and address.version != wanted:
        return _refused(name, "target_of_other_family", _OTHER_FAMILY[wanted])
    fault = fault_of(address)
    if fault is not None:
        return _refused(name, "target_is_no_host", _sentence(fault, _TARGETS))
    return ResolvedTarget(
        name=name, address=str(address), ip_version=6 if address.version == 6 else 4
    )


def _sentence(part: Text, subject: Text) -> Text:
    return Text(f"{subject.en}{part.en}.", f"{subject.zh}{part.zh}。")


def _refused(name: str, code: str, why: Text) -> ResolvedTarget:
    return ResolvedTarget(name=name, error=Remark(code, why))


def _looked_up(name: str, wanted: IpVersion | None) -> ResolvedTarget:
    try:
        answers = socket.getaddrinfo(name, None, _FAMILIES[wanted], socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        return _refused(name, "target_not_resolved", _unresolved(error))
    hosts = [str(answer[4][0]) for answer in answers]
    faults = [fault_of(ipaddress.ip_address(host)) for host in hosts]
    for host, fault in zip(hosts, faults, strict=True):
        if fault is None:
            return ResolvedTarget(name=name, address=host, ip_version=6 if ":" in host else 4)
    assert faults[0] is not None
    subject = Text(
        f"{{targets}} cannot be probed: its address {hosts[0]} ",
        f"无法探测 {{targets}}：其地址 {hosts[0]} ",
    )
    return _refused(name, "target_is_no_host", _sentence(faults[0], subject))


def _unresolved(error: OSError | UnicodeError) -> Text:
    """Return why a name stands for no address, with a place for the names."""
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return Text(
            "{targets} cannot be resolved: no name server answers, or it failed (SERVFAIL); "
            "try again, or give addresses.",
            "无法解析 {targets}：域名服务器没有应答，或其自身出错（SERVFAIL）；请重试或"
            "直接给出地址。",
        )
    return Text(
        "{targets} cannot be resolved: no such host name, or no address of the requested family.",
        "无法解析 {targets}：没有这个主机名，或没有所要求协议族的地址。",
    )
