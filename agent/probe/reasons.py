"""Why targets of a probe run did not answer, told once a reason with the targets it is about.

Reasons come from the system (a probe did not leave), from ICMP errors that quote a probe, and from
what answered. A target that answers now and then has none: a figure in the table tells its loss.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Iterable, Sequence

from agent.probe.host_tables import HostTables
from foundation.text import Text
from probes import explanations
from probes.causes import Cause
from probes.channels.discarded import not_sent_cause
from probes.protocols.registry import protocol_of
from probes.remark import Remark, about
from probes.sockets.opening import is_ours
from probes.stream import ProtocolName

_SHOWN_TARGETS = 3

_CLOSED_PORT = Remark(
    "port_closed",
    Text(
        "TCP port {port} of {targets} is closed (RST); its delay is measured nevertheless.",
        "{targets} 的 TCP 端口 {port} 已关闭（RST）；时延测量不受影响。",
    ),
)
_TOO_FAST = Remark(
    "rate_not_kept",
    Text(
        "This machine was too slow for the requested {rate} probes per second; at least {kept}% "
        "was achieved. Missed intervals were not made up for; choose a longer "
        "--interval or fewer targets.",
        "本机速度跟不上所要求的每秒 {rate} 个探测包，至少保持了其中的 {kept}%。"
        "错过的间隔没有补发；请增大 --interval 或减少目标。",
    ),
)


def not_sent(cause: int, tables: HostTables) -> Remark:
    """Return why no probe left this machine, with a place for the targets.

    `tables` is what filled up while they were to leave.
    """
    if cause == errno.ENOBUFS and tables.neighbours_full:
        return Remark("neighbours_full", explanations.NEIGHBOURS_FULL)
    if cause == errno.EPERM and tables.connections_dropped:
        return Remark("connections_full", explanations.CONNECTIONS_FULL)
    return Remark(f"not_sent_{not_sent_cause(cause)}", explanations.not_sent(cause))


def unanswered(
    protocol: ProtocolName, cause: Cause, address: str | None, port: int | None
) -> Remark | None:
    """Return why no probe of a target was answered, or None where nobody told."""
    ours = bool(cause.said_by) and is_ours(cause.said_by)
    told = explanations.told(cause, protocol=protocol, destination=address, ours=ours)
    silent = protocol_of(protocol).unanswered
    if told is None and silent is not None:
        told = Remark(silent.code, silent.text)
    return told and told.about(port=port)


def closed(port: int | None) -> Remark:
    """Return what is to be known of targets whose TCP port refuses every connection."""
    return _CLOSED_PORT.about(port=port)


def too_fast(asked_rate: float, kept_ratio: float) -> Remark:
    """Return that this machine was too slow for the rate of all targets together."""
    return _TOO_FAST.about(rate=f"{asked_rate:,.0f}", kept=math.floor(100 * kept_ratio))


def sentences(told: Iterable[tuple[Remark, str, str | None]]) -> list[Text]:
    """Return each reason once, in order, with the first targets (name, address) it is about."""
    by_reason: dict[Text, list[tuple[str, str]]] = {}
    for reason, target, address in told:
        by_reason.setdefault(reason.text, []).append((target, address or target))
    return [_with_targets(text, targets) for text, targets in by_reason.items()]


def _with_targets(text: Text, targets: list[tuple[str, str]]) -> Text:
    names, addresses = zip(*targets, strict=True)
    return about(text, targets=_listed(names), addresses=_listed(addresses))


def _listed(names: Sequence[str]) -> Text:
    more = len(names) - _SHOWN_TARGETS
    shown = names if more <= 1 else names[:_SHOWN_TARGETS]
    en = ", ".join(shown) + (f" and {more} more" if more > 1 else "")
    zh = "、".join(shown) + (f" 等 {len(names)} 个目标" if more > 1 else "")
    return Text(en, zh)
