"""Why targets of a probe run did not answer, told once a reason with the targets it is about.

Reasons come from the system (a probe did not leave), from ICMP errors that quote a probe, and from
what answered. A target that answers now and then has none: a figure in the table tells its loss.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from agent.host_tables import HostTables
from probes import explanations
from probes.causes import Cause
from probes.sockets.opening import is_ours
from probes.stream import ProtocolName
from probes.text import Text

_SHOWN_TARGETS = 3

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
    """Return the commonest cause, int64[targets], of probes of `target[i]`; 0 where none is."""
    result = np.zeros(targets, np.int64)
    known = cause > 0
    pairs, counts = np.unique(np.stack([target[known], cause[known]]), axis=1, return_counts=True)
    order = np.argsort(counts, kind="stable")
    result[pairs[0, order]] = pairs[1, order]  # the last written is the commonest
    return result


def not_sent(cause: int, tables: HostTables) -> Text:
    """Return why no probe left this machine, with a place for the targets.

    `tables` is what filled up while they were to leave.
    """
    if cause == errno.ENOBUFS and tables.neighbours_full:
        return explanations.NEIGHBOURS_FULL
    if cause == errno.EPERM and tables.connections_dropped:
        return explanations.CONNECTIONS_FULL
    return explanations.not_sent(cause)


def unanswered(
    protocol: ProtocolName, cause: Cause, address: str | None, port: int | None
) -> Text | None:
    """Return why no probe of a target was answered, or None where nobody told."""
    ours = bool(cause.said_by) and is_ours(cause.said_by)
    text = explanations.told(cause, protocol=protocol, destination=address, ours=ours)
    if text is None and protocol == "udp":
        text = _NO_REFLECTOR
    return text and explanations.about(text, port=port)


def closed(port: int | None) -> Text:
    """Return what is to be known of targets whose TCP port refuses every connection."""
    return explanations.about(_CLOSED_PORT, port=port)


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
