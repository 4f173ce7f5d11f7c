"""Why a socket cannot be had, as a sentence that says what to do: one place for every errno."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator

from foundation.errors import ConfigError, IsochroneError, ResourceError
from foundation.reasons import reason_of

_OF_THE_SYSTEM = (errno.EADDRINUSE, errno.EACCES, errno.EPERM, errno.EPROTONOSUPPORT)
_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
_MEMORY = (errno.ENOMEM, errno.ENOBUFS, errno.ENOSPC)


def is_shortage(error: BaseException) -> bool:
    """Tell whether descriptors or memory are lacking, so that whoever asks for more fails too."""
    return isinstance(error, ResourceError) and bool(error.fields.get("shortage"))


def lacks_ipv6(error: BaseException) -> bool:
    """Tell whether the reason is that this machine has no IPv6."""
    return isinstance(error, ResourceError) and bool(error.fields.get("no_ipv6"))


def obstacle(error: OSError | MemoryError, family: int, address: str | None) -> IsochroneError:
    """Return why no socket of `family` bound to `address` (None: to any) can be had."""
    number = errno.ENOMEM if isinstance(error, MemoryError) else error.errno
    if number == errno.EADDRNOTAVAIL and address is not None:
        return not_ours(address)
    if number in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) and family == socket.AF_INET6:
        return _no_ipv6()
    if number in _DESCRIPTORS:
        return ResourceError(
            "No file descriptors are left for more sockets; raise LimitNOFILE of the service "
            "(or `ulimit -n`), or configure fewer streams, flows or reflectors.",
            "文件描述符已用尽，无法再打开套接字；请提高服务的 LimitNOFILE（或 `ulimit -n`），"
            "或减少测量流、流数或反射端。",
            shortage=True,
        )
    if number in _MEMORY:
        return ResourceError(
            "There is no memory left for more sockets; ask for fewer streams, flows or "
            "reflectors, or give this machine more.",
            "内存不足，无法再打开套接字；请减少测量流、流数或反射端，或为本机增加内存。",
            shortage=True,
        )
    return _plain(error, family, address)


def not_ours(address: str) -> ResourceError:
    """Return that an address is not, or not yet, one of this machine's."""
    return ResourceError(
        f"The address {address} is not an address of this machine now; if it does not appear on "
        f"its own, correct it or add it to an interface. Behind 1:1 NAT, name its local address:"
        " `local` in the site file, `local_addresses` in the agent's.",
        f"地址 {address} 目前不是本机地址；若不会自动出现，请更正，或将其配置到某个接口上。"
        "位于 1:1 NAT 之后时，请写明本机的地址：站点文件中的 local，或探针配置中的 "
        "local_addresses。",
        source=address,
    )


@contextlib.contextmanager
def explaining_obstacles(family: int, address: str | None) -> Iterator[contextlib.ExitStack]:
    """Give a stack of what is to be closed if the block fails, and tell why it did."""
    with contextlib.ExitStack() as undo:
        try:
            yield undo
        except (OSError, MemoryError) as error:
            raise obstacle(error, family, address) from error
        undo.pop_all()


def _no_ipv6() -> ResourceError:
    return ResourceError(
        "IPv6 is switched off on this machine, so nothing can be sent or answered over it; IPv4 "
        "still works. Switch it on (sysctl net.ipv6.conf.all.disable_ipv6=0, or the kernel's "
        "ipv6.disable), or use IPv4 only.",
        "本机已关闭 IPv6，无法通过 IPv6 发送或应答；IPv4 不受影响。请启用 IPv6"
        "（sysctl net.ipv6.conf.all.disable_ipv6=0，或内核参数 ipv6.disable），或仅使用 IPv4。",
        no_ipv6=True,
    )


def _plain(error: OSError | MemoryError, family: int, address: str | None) -> IsochroneError:
    reason = reason_of(error)
    if address is not None and getattr(error, "errno", None) not in _OF_THE_SYSTEM:
        return ConfigError(
            f"The source address {address} cannot be used here: {reason.en}.",
            f"源地址 {address} 无法在此使用：{reason.zh}。",
            source=address,
        )
    version = 6 if family == socket.AF_INET6 else 4
    return ResourceError(
        f"A socket for IPv{version} could not be opened: {reason.en}.",
        f"无法打开 IPv{version} 套接字：{reason.zh}。",
        source=address,
    )
