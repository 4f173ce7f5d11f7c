"""Addresses as people write them: one strict reader, and one check of what may be probed.

Resolvers read `010.0.0.1` as 8.0.0.1, `127.1` as 127.0.0.1 and full-width digits as digits; others
read them otherwise or take them for names. Whoever measures must know what is measured: a literal
is four decimal numbers, or IPv6 (RFC 5952 and its longer forms), and nothing else is one; what has
two readings is refused with both. Reasons are parts of sentences, without their end.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import unicodedata
from typing import Literal

from foundation.errors import ConfigError
from foundation.text import Text

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DOTS = dict.fromkeys(map(ord, "。．｡"), ".")  # what IDNA takes for dots (RFC 3490 §3.1)
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_NOT_IN_NAMES = re.compile(r"[\s\x00-\x20\x7f/\\@?#\[\]%:*,;]")
_ZONE = re.compile(r"(?:(?![/%\[\]])[!-~]){1,15}")  # IFNAMSIZ
_LENGTH = re.compile(r"0|[1-9][0-9]{0,2}")
_THIS_NETWORK, _RESERVED = (ipaddress.ip_network(each) for each in ("0.0.0.0/8", "240.0.0.0/4"))
_LONGEST_SHOWN = 80


class AddressError(ConfigError):
    """What was written is not an address, or may be two: `reason` says so after the text itself."""

    reason: Text


def read_address(text: str) -> Address | None:
    """Return the address that `text` is, in brackets or not; None if it may be a name.

    Raises AddressError for what is neither, or has two readings.
    """
    plain = text.strip()
    if not plain:
        raise _error("", "the address is empty", "地址为空")
    if plain[0] == "[" or plain[-1] == "]":
        plain = plain.removeprefix("[").removesuffix("]")
        if f"[{plain}]" != text.strip() or ":" not in plain:
            raise _error(
                text,
                "has brackets, which are for IPv6 addresses",
                "带有方括号，方括号仅用于 IPv6 地址",
            )
    if ":" in plain:
        return _ipv6(plain)
    ascii_text = unicodedata.normalize("NFKC", plain).translate(_DOTS)
    if _NUMBER.fullmatch(ascii_text.removesuffix(".").rpartition(".")[2]):
        return _ipv4(plain, ascii_text)
    if _NOT_IN_NAMES.search(plain):
        raise _error(text, "is neither an address nor a host name", "既不是地址，也不是主机名")
    return None


def _ipv4(plain: str, ascii_text: str) -> ipaddress.IPv4Address:
    """Return the address of four decimal numbers. Raises AddressError, with two readings if any."""
    if plain.isascii():
        try:
            return ipaddress.IPv4Address(plain)
        except ValueError:
            pass
    readings = _readings(ascii_text.removesuffix("."))
    if not readings:
        raise _error(
            plain,
            "is not an IPv4 address; write four numbers from 0 to 255",
            "不是 IPv4 地址；请写成四个 0 到 255 的数字",
        )
    first, second = readings
    raise _error(
        plain,
        f"may mean {first.en} or {second.en}; write the address you mean, as four decimal "
        "numbers without leading zeros",
        f"有两种读法：{first.zh}，或 {second.zh}；请写明所指的地址：四个十进制数字，不带前导零",
    )


def _readings(text: str) -> tuple[Text, Text] | None:
    """Return the two readings of what is almost an IPv4 address; None if it is none at all."""
    parts = text.split(".")
    try:
        resolved = socket.inet_ntoa(socket.inet_aton(text))
    except (OSError, UnicodeError):
        resolved = None
    decimal = None
    if len(parts) == 4 and all(part.isdecimal() and int(part) <= 255 for part in parts):
        decimal = ".".join(str(int(part)) for part in parts)
    if decimal and resolved == decimal:
        return _as_name(decimal, text)
    if decimal and resolved:
        return (
            Text(f"{resolved} (leading zeros are octal)", f"{resolved}（前导零表示八进制）"),
            Text(f"{decimal} (all decimal)", f"{decimal}（均为十进制）"),
        )
    if decimal:  # 09.0.0.1: no octal number, which some read as decimal all the same
        return _as_name(decimal, text)
    return _as_name(resolved, text) if resolved else None


def _as_name(address: str, text: str) -> tuple[Text, Text]:
    return Text(address, address), Text(f"a host named {text}", f"名为 {text} 的主机")


def _ipv6(plain: str) -> ipaddress.IPv6Address:
    numeric, percent, zone = plain.partition("%")
    try:
        address = ipaddress.IPv6Address(numeric)
    except ValueError as error:
        raise _error(
            plain,
            "is not an IPv6 address; give the port separately",
            "不是 IPv6 地址；端口须另行指定",
        ) from error
    if percent and not (address.is_link_local and _ZONE.fullmatch(zone)):
        raise _error(
            plain,
            "has a zone it cannot have: only link-local addresses have one, the name of an "
            "interface",
            "的区域标识无效：只有链路本地地址才有区域标识，即接口名",
        )
    return ipaddress.IPv6Address(plain)


def read_prefix(text: str, *, host_bits: bool = False) -> Network:
    """Return the network that `text` is: an address, or one with a length after a slash.

    With `host_bits` an address within the network may stand for it. Raises AddressError.
    """
    host, slash, length = text.strip().partition("/")
    address = read_address(host)
    if address is None or (slash and not _LENGTH.fullmatch(length)):
        raise _error(
            text,
            "is not an address or prefix; write 192.0.2.1 or 192.0.2.0/24",
            "不是地址或前缀；请写成 192.0.2.1 或 192.0.2.0/24",
        )
    fault = _other_notation(address)
    if fault is not None:
        raise _error(text, fault.en, fault.zh)
    plain = str(address).partition("%")[0]  # a zone is of the machine that writes it
    try:
        network = ipaddress.ip_network(f"{plain}/{length or address.max_prefixlen}", strict=False)
    except ValueError as error:
        raise _error(text, "has a prefix that is too long", "的前缀长度过大") from error
    if not host_bits and network.network_address != ipaddress.ip_address(plain):
        raise _error(
            text,
            f"is an address within {network}; write {network}, or {plain} for the address alone",
            f"是 {network} 中的一个地址；请写 {network}，或只写地址 {plain}",
        )
    return network


def fault_of(address: Address) -> Text | None:
    """Return why no probes are sent to an address: it is no single host's. None if they are."""
    if address.is_unspecified:
        return Text("is the unspecified address, which no host has", "是未指定地址，不属于任何主机")
    if address.is_multicast:
        return Text("is a multicast address, not that of one host", "是组播地址，不属于单个主机")
    if address.version == 4:
        if int(address) == 0xFFFF_FFFF:
            return Text("is the broadcast address", "是广播地址")
        if address in _THIS_NETWORK:
            return Text("is in 0.0.0.0/8, which no host can have", "属于 0.0.0.0/8，不是主机地址")
        if address in _RESERVED:
            return Text("is in 240.0.0.0/4, which is reserved", "属于保留地址段 240.0.0.0/4")
        return None
    if address.is_link_local and not address.scope_id:
        return Text(
            f"is link-local and needs its interface; write {address}%eth0",
            f"是链路本地地址，需要指定接口；请写成 {address}%eth0",
        )
    return _other_notation(address)


def _other_notation(address: Address) -> Text | None:
    """Return what is wrong with IPv4 that is written as IPv6, which packets never carry."""
    if address.version == 4:
        return None
    inside = address.ipv4_mapped
    if inside is None and int(address) >> 32 == 0 and int(address) > 0xFFFF:
        inside = ipaddress.IPv4Address(int(address))
    if inside is None:
        return None
    return Text(
        f"is IPv4 written as IPv6; write {inside}", f"是写成 IPv6 的 IPv4 地址；请写 {inside}"
    )


def read_destination(text: str, ip_version: Literal[4, 6] | None = None) -> Address:
    """Return the address of one host that probes may be sent to. Raises AddressError."""
    address = read_address(text)
    if address is None or ip_version not in (None, address.version):
        kind = f"IPv{ip_version}" if ip_version else "IP"
        raise _error(text, f"is not an {kind} address", f"不是 {kind} 地址")
    fault = fault_of(address)
    if fault is not None:
        raise _error(text, fault.en, fault.zh)
    return address


def _error(text: str, en: str, zh: str) -> AddressError:
    shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    subject = f"{shown} " if text else ""
    error = AddressError(f"{subject}{en}", f"{subject}{zh}", value=text)
    error.reason = Text(en, zh)
    return error
