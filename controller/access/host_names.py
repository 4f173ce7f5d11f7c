"""What a server's certificate may be for: host names and addresses, and nothing around them."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable

from foundation.errors import UsageError
from foundation.literals import AddressError, fault_of, read_address

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_LONGEST = 253


def certified_host(text: str) -> str:
    """Return a host name (in ASCII, without its last dot) or address as a certificate has it.

    Raises UsageError for anything else: a URL, a port, brackets, nothing at all.
    """
    try:
        address = read_address(text)
    except AddressError as error:
        raise _no_host(text) from error
    if address is not None:
        of_one_machine = "%" in text  # a zone is
        bare = text == text.strip("[] ")
        nobodys = not address.is_link_local and fault_of(address) is not None
        if of_one_machine or not bare or nobodys:
            raise _no_host(text)
        return str(address)
    try:
        name = text.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        name = ""
    labels = name.split(".")
    sound = all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()
    if not sound or len(name) > _LONGEST or text.endswith(".."):
        raise _no_host(text)
    return name


def certified_hosts(names: Iterable[str], always: Iterable[str]) -> list[str]:
    """Return each of the names once, in order, or this machine's if there are none. UsageError."""
    found = [certified_host(name) for name in names]
    if not found:
        try:
            found = [certified_host(socket.getfqdn())]
        except UsageError:  # a machine without a name that others could use
            found = []
    return list(dict.fromkeys([*found, *always]))


def _no_host(text: str) -> UsageError:
    return UsageError(
        f"--name {text!r} is not a host name or address; write ctl.example.org, 192.0.2.1 or "
        "2001:db8::1, without scheme, port or brackets (those belong to --listen).",
        f"--name {text!r} 不是主机名或地址；请写成 ctl.example.org、192.0.2.1 或 "
        "2001:db8::1，不带协议、端口或方括号（端口请用 --listen 指定）。",
        name=text,
    )
