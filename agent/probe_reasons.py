"""Why targets of a probe run did not answer, told once a reason with the targets it is about.

Reasons come from the system (a probe did not leave), from ICMP errors that quote a probe, and from
what answered. A target that answers now and then has none: a figure in the table tells its loss.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from probes.stream import ProtocolName
from probes.text import Text

_SHOWN_TARGETS = 3

_NOT_SENT = {
    errno.ENETUNREACH: Text(
        "There is no route to {targets}; look at `ip route get ADDRESS`.",
        "没有到 {targets} 的路由；请用 `ip route get 地址` 检查。",
    ),
    errno.EHOSTUNREACH: Text(
        "This machine's routes say that {targets} cannot be reached; look at `ip route get "
        "ADDRESS`.",
        "本机路由表明 {targets} 不可达；请用 `ip route get 地址` 检查。",
    ),
    errno.EACCES: Text(
        "The system forbids probes to {targets}: a broadcast address, or a route that prohibits.",
        "系统禁止向 {targets} 发送探测包：可能是广播地址，或路由为 prohibit。",
    ),
    errno.EPERM: Text(
        "This machine's firewall stops probes to {targets}; look at `nft list ruleset`.",
        "本机防火墙拦截了发往 {targets} 的探测包；请用 `nft list ruleset` 检查。",
    ),
    errno.EMSGSIZE: Text(
        "Probes to {targets} are larger than the path's MTU and are not fragmented; choose a "
        "smaller --size.",
        "发往 {targets} 的探测包超过路径 MTU 且不分片；请减小 --size。",
    ),
    errno.ENOBUFS: Text(
        "This machine's own queue dropped the probes to {targets}; choose a longer --interval.",
        "本机发送队列丢弃了发往 {targets} 的探测包；请增大 --interval。",
    ),
}
_TOLD_BY_ICMP = {
    errno.ECONNREFUSED: Text(
        "Nothing listens on UDP port {port} of {targets}; start `isochrone reflect` there, or name "
        "its port with --port.",
        "{targets} 的 UDP 端口 {port} 无人监听；请在对端启动 `isochrone reflect`，或用 --port "
        "指定其端口。",
    ),
    errno.EHOSTUNREACH: Text(
        "{targets}: host unreachable, says a router, or nobody answers on the local network.",
        "{targets}：主机不可达（路由器告知，或本地网络中无人应答该地址）。",
    ),
    errno.ENETUNREACH: Text(
        "{targets}: network unreachable, says a router.", "{targets}：路由器告知网络不可达。"
    ),
    errno.EACCES: Text(
        "{targets}: a filter on the way prohibits the probes, says ICMP.",
        "{targets}：途中的过滤规则禁止探测包（ICMP 告知）。",
    ),
    errno.EMSGSIZE: _NOT_SENT[errno.EMSGSIZE],
}
_NOT_SENT_AT_ALL = Text(
    "No probe to {targets} left this machine ({cause}).",
    "发往 {targets} 的探测包未能离开本机（{cause}）。",
)
_NO_REFLECTOR = Text(
    "No STAMP answer from {targets}: does a reflector listen on UDP port {port} there (`isochrone "
    "reflect`), may this machine ask it (its --peer), and do the keys agree (--hmac-key-file)?",
    "{targets} 没有 STAMP 应答：请确认对端 UDP 端口 {port} 上有反射端（`isochrone reflect`）、其 "
    "--peer 允许本机、双方密钥（--hmac-key-file）一致。",
)
_CLOSED_PORT = Text(
    "TCP port {port} of {targets} is closed (RST); its delay is measured all the same.",
    "{targets} 的 TCP 端口 {port} 已关闭（RST）；时延测量不受影响。",
)


def commonest_causes(
    target: NDArray[np.int64], cause: NDArray[np.int64], targets: int
) -> NDArray[np.int64]:
    """Return the commonest errno, int64[targets], of probes of `target[i]`; 0 where none is."""
    result = np.zeros(targets, np.int64)
    known = cause > 0
    pairs, counts = np.unique(np.stack([target[known], cause[known]]), axis=1, return_counts=True)
    order = np.argsort(counts, kind="stable")
    result[pairs[0, order]] = pairs[1, order]  # the last written is the commonest
    return result


def not_sent(cause: int) -> Text:
    """Return why no probe left this machine, with a place for the targets."""
    name = errno.errorcode.get(cause, str(cause))
    text = _NOT_SENT.get(cause, _NOT_SENT_AT_ALL)
    return Text(text.en.replace("{cause}", name), text.zh.replace("{cause}", name))


def unanswered(protocol: ProtocolName, cause: int, port: int | None) -> Text | None:
    """Return why no probe of a target was answered, or None where nobody told."""
    text = _TOLD_BY_ICMP.get(cause) or (_NO_REFLECTOR if protocol == "udp" else None)
    return text and _with_port(text, port)


def closed(port: int | None) -> Text:
    """Return what is to be known of targets whose TCP port refuses every connection."""
    return _with_port(_CLOSED_PORT, port)


def sentences(told: Iterable[tuple[Text, str]]) -> list[Text]:
    """Return each reason once, in order, with the first targets that it is about."""
    by_reason: dict[Text, list[str]] = {}
    for reason, target in told:
        by_reason.setdefault(reason, []).append(target)
    return [_with_targets(reason, names) for reason, names in by_reason.items()]


def _with_targets(reason: Text, names: list[str]) -> Text:
    more = len(names) - _SHOWN_TARGETS
    shown = names if more <= 1 else names[:_SHOWN_TARGETS]
    en = ", ".join(shown) + (f" and {more} more" if more > 1 else "")
    zh = "、".join(shown) + (f" 等 {len(names)} 个目标" if more > 1 else "")
    return Text(reason.en.replace("{targets}", en), reason.zh.replace("{targets}", zh))


def _with_port(text: Text, port: int | None) -> Text:
    return Text(text.en.replace("{port}", str(port)), text.zh.replace("{port}", str(port)))
