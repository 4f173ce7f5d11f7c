"""What errno, ICMP and TLS verify codes mean, in sentences: the one place that says so.

`{targets}`, `{port}`, `{who}` and `{icmp}` stand for what the sentence is about. Every sentence
about an ICMP error says its type and code, and who sent it.
What a code cannot tell is not told; where several things have one code, a sentence says what to
look at to tell them apart.
"""

from __future__ import annotations

import errno

from foundation.text import Text
from probes.causes import Cause
from probes.protocols.registry import protocol_of, protocols
from probes.remark import Remark, about

_ROUTES = "check `ip route get ADDRESS`"
_ROUTES_ZH = "请用 `ip route get 地址` 检查"
_TOO_LONG = Text(
    "Probes to {targets} are larger than the path's MTU and are not fragmented; choose a smaller "
    "--size.",
    "发往 {targets} 的探测包超过路径 MTU 且不分片；请减小 --size。",
)
_NOT_SENT = {
    errno.ENETUNREACH: Text(
        f"There is no route to {{targets}}; {_ROUTES}.",
        f"没有到 {{targets}} 的路由；{_ROUTES_ZH}。",
    ),
    errno.EHOSTUNREACH: Text(
        f"This machine's routes say that {{targets}} cannot be reached; {_ROUTES}.",
        f"本机路由表明 {{targets}} 不可达；{_ROUTES_ZH}。",
    ),
    errno.EACCES: Text(
        "The system forbids probes to {targets}: a broadcast address, or a route that prohibits; "
        f"{_ROUTES}.",
        f"系统禁止向 {{targets}} 发送探测包：可能是广播地址，或路由为 prohibit；{_ROUTES_ZH}。",
    ),
    errno.EPERM: Text(
        "This machine's firewall stops probes to {targets}, or its connection tracking table is "
        "full; check `nft list ruleset`, and nf_conntrack_count and nf_conntrack_max in `sysctl "
        "net.netfilter`.",
        "本机防火墙拦截了发往 {targets} 的探测包，或连接跟踪表已满；请检查 `nft list ruleset`，"
        "以及 `sysctl net.netfilter` 中的 nf_conntrack_count 和 nf_conntrack_max。",
    ),
    errno.EINVAL: Text(
        f"This machine's routes discard probes to {{targets}} (a blackhole route), or lead to an "
        f"interface that does not match the source address; {_ROUTES}.",
        f"本机路由丢弃发往 {{targets}} 的探测包（blackhole 路由），或其出口与源地址不符；"
        f"{_ROUTES_ZH}。",
    ),
    errno.EMSGSIZE: _TOO_LONG,
    errno.ENOBUFS: Text(
        "This machine dropped probes to {targets} before sending: its queue is full (check `tc "
        "-s qdisc`; choose a longer --interval), a filter of the interface drops them (check `tc "
        "filter` and at egress chains in `nft list ruleset`), or its table of neighbours is full "
        "(check `ip -s ntable` and gc_thresh3 in `sysctl net.ipv4.neigh.default`).",
        "本机在发出途中丢弃了发往 {targets} 的探测包：发送队列已满（请检查 `tc -s qdisc`，并增大 "
        "--interval），或被接口上的过滤规则丢弃（请检查 `tc filter` 和 `nft list ruleset` 中的 "
        "egress 链），或邻居表已满（请检查 `ip -s ntable` 和 `sysctl net.ipv4.neigh.default` "
        "中的 gc_thresh3）。",
    ),
    errno.EADDRNOTAVAIL: Text(
        "Probes to {targets} have no source address: it was removed from its interface, or no "
        "port is free; check `ip address`.",
        "发往 {targets} 的探测包没有可用的源地址：地址已从接口上移除，或没有空闲端口；"
        "请用 `ip address` 检查。",
    ),
    errno.ENODEV: Text(
        "The interface that sends probes to {targets} has disappeared; check `ip link`.",
        "发往 {targets} 的探测包所用的接口已不存在；请用 `ip link` 检查。",
    ),
    errno.ENETDOWN: Text(
        "The interface that sends probes to {targets} is down; check `ip link`.",
        "发往 {targets} 的探测包所用的接口未启用；请用 `ip link` 检查。",
    ),
    errno.EMFILE: Text(
        "This program may open no more sockets for probes to {targets}; probe fewer --flows or "
        "targets at once, or raise `ulimit -n`.",
        "本程序可打开的套接字已用尽，无法探测 {targets}；请减少 --flows 或同时探测的目标，"
        "或提高 `ulimit -n`。",
    ),
}
_NOT_SENT |= {
    errno.ENXIO: _NOT_SENT[errno.ENODEV],
    errno.EAGAIN: _NOT_SENT[errno.ENOBUFS],
    errno.ENOMEM: _NOT_SENT[errno.ENOBUFS],
    errno.ENFILE: _NOT_SENT[errno.EMFILE],
}
_NOT_SENT_OTHERWISE = Text(
    "Probes to {targets} did not leave this machine ({cause}).",
    "发往 {targets} 的探测包未能离开本机（{cause}）。",
)
NEIGHBOURS_FULL = Text(
    "This machine's neighbour table is full, so probes to {targets} were not sent; raise "
    "gc_thresh1 to gc_thresh3 in `sysctl net.ipv4.neigh.default` and `net.ipv6.neigh.default`.",
    "本机邻居表已满，发往 {targets} 的探测包未能发出；请调大 `sysctl net.ipv4.neigh.default` 和 "
    "`net.ipv6.neigh.default` 中的 gc_thresh1 至 gc_thresh3。",
)
CONNECTIONS_FULL = Text(
    "This machine's connection tracking table is full, so probes to {targets} were not sent; raise "
    "`sysctl net.netfilter.nf_conntrack_max`, or exempt probes with a notrack rule.",
    "本机连接跟踪表已满，发往 {targets} 的探测包未能发出；请调大 `sysctl "
    "net.netfilter.nf_conntrack_max`，或用 notrack 规则使探测包不被跟踪。",
)


def not_sent(number: int) -> Text:
    """Return why probes did not leave this machine, by the errno they met with."""
    text = _NOT_SENT.get(number, _NOT_SENT_OTHERWISE)
    return about(text, cause=errno.errorcode.get(number, str(number)))


# What ICMP and ICMPv6 say alike has one word here.
# It is the code of the remark, too.
_FILTERED, _NO_ROUTE = "icmp_administratively_prohibited", "icmp_network_unreachable"
_NO_HOST, _NO_PORT = "icmp_host_unreachable", "icmp_port_unreachable"
_NO_PROTOCOL, _TOO_BIG = "icmp_protocol_unreachable", "icmp_too_big"
_LOOP, _PIECES = "icmp_time_exceeded", "icmp_reassembly_time_exceeded"
_CLASS, _SOURCE, _HEADER = "icmp_class_of_service", "icmp_source_address", "icmp_header"
_OTHERWISE, _UNSPECIFIED = "icmp_other", "icmp_unspecified"
_NEIGHBOUR = "neighbour_silent"
_UNREACHABLE, _TIME, _PROBLEM = 3, 11, 12
_UNREACHABLE6, _TOO_BIG6, _TIME6, _PROBLEM6 = 1, 2, 3, 4
_WORDS: dict[tuple[int, int, int], str] = {
    **{(4, _UNREACHABLE, code): _NO_ROUTE for code in (0, 6)},
    **{(4, _UNREACHABLE, code): _NO_HOST for code in (1, 7)},
    (4, _UNREACHABLE, 2): _NO_PROTOCOL,
    (4, _UNREACHABLE, 3): _NO_PORT,
    (4, _UNREACHABLE, 4): _TOO_BIG,
    (4, _UNREACHABLE, 5): _HEADER,
    (4, _UNREACHABLE, 8): _SOURCE,
    **{(4, _UNREACHABLE, code): _FILTERED for code in (9, 10, 13)},
    **{(4, _UNREACHABLE, code): _CLASS for code in (11, 12, 14, 15)},
    (4, _TIME, 0): _LOOP,
    (4, _TIME, 1): _PIECES,
    **{(4, _PROBLEM, code): _HEADER for code in (0, 1, 2)},
    **{(6, _UNREACHABLE6, code): _NO_ROUTE for code in (0, 6)},
    (6, _UNREACHABLE6, 1): _FILTERED,
    **{(6, _UNREACHABLE6, code): _SOURCE for code in (2, 5)},
    (6, _UNREACHABLE6, 3): _NO_HOST,
    (6, _UNREACHABLE6, 4): _NO_PORT,
    (6, _UNREACHABLE6, 7): _HEADER,
    (6, _TOO_BIG6, 0): _TOO_BIG,
    (6, _TIME6, 0): _LOOP,
    (6, _TIME6, 1): _PIECES,
    (6, _PROBLEM6, 1): _NO_PROTOCOL,
    **{(6, _PROBLEM6, code): _HEADER for code in (0, 2, 3)},
}
_TOLD = {
    _FILTERED: Text(
        "A filter at {who} prohibits probes to {targets} ({icmp}: administratively prohibited); "
        "check the rules of that machine.",
        "{who} 上的过滤规则禁止发往 {targets} 的探测包（{icmp}：管理性禁止）；请检查该设备的规则。",
    ),
    _NO_ROUTE: Text(
        "{who} has no route to {targets} ({icmp}: network unreachable); check the routes of that "
        "machine.",
        "{who} 没有到 {targets} 的路由（{icmp}：网络不可达）；请检查该设备的路由。",
    ),
    _NO_HOST: Text(
        "{who} cannot reach {targets} ({icmp}: host unreachable): nobody answers for that address "
        "there, or a rule says so; check its neighbours and its rules.",
        "{who} 无法到达 {targets}（{icmp}：主机不可达）：那里无人应答该地址，或规则如此；"
        "请检查该设备的邻居表和规则。",
    ),
    _NO_PORT: Text(
        "{who} refuses probes to {targets} ({icmp}: port unreachable), as a filter does that "
        "rejects; check the rules of that machine.",
        "{who} 拒绝发往 {targets} 的探测包（{icmp}：端口不可达），这是 REJECT 规则的表现；"
        "请检查该设备的规则。",
    ),
    _NO_PROTOCOL: Text(
        "{who} refuses the protocol of probes to {targets} ({icmp}: protocol unreachable); check "
        "the rules of that machine.",
        "{who} 拒绝发往 {targets} 的探测包所用的协议（{icmp}：协议不可达）；请检查该设备的规则。",
    ),
    _TOO_BIG: Text(
        "Probes to {targets} are larger than the MTU behind {who} ({icmp}) and are not fragmented; "
        "choose a smaller --size.",
        "发往 {targets} 的探测包超过 {who} 之后的 MTU（{icmp}）且不分片；请减小 --size。",
    ),
    _LOOP: Text(
        "Probes to {targets} loop, or the path is too long: their hop limit expired at {who} "
        "({icmp}: time exceeded); check `traceroute` for routers that appear twice.",
        "发往 {targets} 的探测包在途中循环，或路径过长：其跳数限制在 {who} 处耗尽"
        "（{icmp}：超时）；请用 `traceroute` 查看是否有路由器重复出现。",
    ),
    _PIECES: Text(
        "Fragments of probes to {targets} were lost on the path, according to {who} ({icmp}: "
        "reassembly time exceeded); choose a smaller --size.",
        "{who} 告知：发往 {targets} 的探测包的分片在途中丢失（{icmp}：重组超时）；请减小 --size。",
    ),
    _CLASS: Text(
        "{who} does not carry probes to {targets} in this class of service ({icmp}); choose "
        "another --dscp.",
        "{who} 不转发此服务等级的、发往 {targets} 的探测包（{icmp}）；请改用其他 --dscp。",
    ),
    _SOURCE: Text(
        "{who} does not carry probes to {targets} from this source address ({icmp}); choose "
        "another --source, or check the rules of that machine.",
        "{who} 不转发以本机此源地址发往 {targets} 的探测包（{icmp}）；请改用其他 --source，"
        "或检查该设备的规则。",
    ),
    _HEADER: Text(
        "{who} rejects the headers of probes to {targets} ({icmp}); check what changes packets on "
        "the path.",
        "{who} 认为发往 {targets} 的探测包的首部有误（{icmp}）；请检查途中改写数据包的设备。",
    ),
}
_REJECTED_THERE = Text(
    "{who} rejects probes to {targets} ({icmp}), as a filter does; check its rules.",
    "{who} 拒绝发往 {targets} 的探测包（{icmp}），这是 REJECT 规则的表现；请检查其规则。",
)
CODES = (  # of `told`
    *_TOLD,
    _OTHERWISE,
    _UNSPECIFIED,
    _NEIGHBOUR,
    *(each.nothing_listens.code for each in protocols() if each.nothing_listens is not None),
)
_TOLD_OTHERWISE = Text(
    "{who} refuses probes to {targets} ({icmp}).", "{who} 拒绝发往 {targets} 的探测包（{icmp}）。"
)
# Where the system keeps what ICMP said to itself (connections before Linux 5.18).
_ICMP_ERRORS_OF_A_CLOSED_DOOR = (
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EACCES,
)
_REFUSED = Text(
    "An ICMP error refused probes to {targets} ({cause}); check `ip route get ADDRESS`, and "
    "filters on the path.",
    "发往 {targets} 的探测包被 ICMP 差错拒绝（{cause}）；请用 `ip route get 地址` 检查，"
    "并检查途中的过滤规则。",
)
_NOBODY_NEAR = Text(
    "Nobody answers on the local network for {targets}, or for the gateway that leads there: "
    "neighbour discovery failed ({icmp}: host unreachable, from {who}); is it switched on, and is "
    "the prefix length right? Check `ip neigh`.",
    "本地网络中无人应答 {targets} 或通往它的网关的地址解析（{icmp}：主机不可达，来自{who}）；"
    "对方是否开机、前缀长度是否正确？请用 `ip neigh` 检查。",
)
_SOMEBODY = Text("a router", "某台路由器")
_HERE = Text("this machine", "本机")
_THERE = Text("the target itself", "目标自身")


def told(cause: Cause, *, protocol: str, destination: str | None, ours: bool) -> Remark | None:
    """Return what is said of probes that left and were not answered; None if nothing was.

    `destination` is the address that was probed; `ours` tells that the error is this machine's.
    """
    if not cause.icmp:
        refused = about(_REFUSED, cause=errno.errorcode.get(cause.number, str(cause.number)))
        return (
            Remark(_UNSPECIFIED, refused) if cause.number in _ICMP_ERRORS_OF_A_CLOSED_DOOR else None
        )
    code = _WORDS.get((cause.icmp, cause.kind, cause.code), _OTHERWISE)
    itself = cause.said_by == (destination or "").partition("%")[0]
    text = _TOLD.get(code, _TOLD_OTHERWISE)
    nothing_listens = protocol_of(protocol).nothing_listens
    if code == _NO_HOST and ours and not itself:
        code, text = _NEIGHBOUR, _NOBODY_NEAR
    elif code in (_NO_HOST, _NO_ROUTE) and itself:  # who says so was reached
        text = _REJECTED_THERE
    elif code == _NO_PORT and nothing_listens and (itself or not cause.said_by):
        code, text = nothing_listens.code, nothing_listens.text
    name = f"ICMP{'v6' if cause.icmp == 6 else ''}"
    icmp = Text(
        f"{name} type {cause.kind} code {cause.code}", f"{name} 类型 {cause.kind} 代码 {cause.code}"
    )
    text = about(text, icmp=icmp, who=_who(cause, ours=ours, itself=itself))
    return Remark(code, Text(_capitalised(text.en, cause), text.zh), cause)


def _capitalised(sentence: str, cause: Cause) -> str:
    """Begin a sentence with a capital, unless with an address: fd00::1 is none in capitals."""
    begins_so = cause.said_by and sentence.startswith(cause.said_by)
    return sentence if begins_so else sentence[0].upper() + sentence[1:]


def _who(cause: Cause, *, ours: bool, itself: bool) -> Text:
    """Return who sent an ICMP error, as the sentence names it.

    Many targets may each have said the same of themselves: they are named when all are known.
    """
    if not cause.said_by:
        return _SOMEBODY
    role = _THERE if itself else _HERE if ours else None
    if role is None:
        return Text(cause.said_by, cause.said_by)
    address = "{addresses}" if itself else cause.said_by
    return Text(f"{role.en} ({address})", f"{role.zh}（{address}）")
