"""What is odd about the replies of a reflector, and what to tell a person of it.

A reply that matches a probe is a reply: its round trip and its not being lost stand. Reflectors of
other makers fill the rest of it in their own ways; what cannot be true costs one-way delays alone,
and every kind is counted, so that nobody wonders where those went.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.text import Text
from probes.remark import Remark

# The number of a kind is its bit in a reply's `odd`, uint16.
NONCONFORMITIES = (
    "timestamps",
    "order",
    "clock",
    "error_estimate",
    "echo",
    "ssid",
    "ttl",
    "reserved",
    "tlvs",
    "layout",
)
(
    TIMESTAMPS,
    ORDER,
    CLOCK,
    ERROR_ESTIMATE,
    ECHO,
    SSID,
    TTL,
    RESERVED,
    TLVS,
    LAYOUT,
) = (np.uint16(1 << bit) for bit in range(len(NONCONFORMITIES)))
# Those that leave a person without figures he may look for; the others cost nothing.
COSTLY = frozenset({"timestamps", "order", "clock", "error_estimate", "echo"})

_TOLD = {
    "timestamps": Text(
        "of another format or epoch than they say, so they give no one-way delay, and the round "
        "trip contains the time spent in the reflector",
        "时间戳的格式或纪元与其声明不符：不给出单向时延，往返时延包含反射端的处理时间",
    ),
    "order": Text(
        "left before they arrived, or stayed longer than the whole round trip, by the reflector's "
        "timestamps: they give no one-way delay",
        "按反射端时间戳，其离开早于到达，或停留时间超过整个往返时延：不给出单向时延",
    ),
    "clock": Text(
        "arrived before they were sent by more than both clocks claim to be off: their one-way "
        "delays are not to be trusted",
        "按时间戳其到达早于发送，且超出双方时钟声明的误差：其单向时延不可信",
    ),
    "error_estimate": Text(
        "have an Error Estimate of zero, which says nothing about the reflector's clock",
        "误差估计为零，无法说明反射端时钟的误差",
    ),
    "echo": Text(
        "do not repeat the probe's sequence number and timestamp as sent; they were matched by "
        "one of the two",
        "未原样带回探测包的序列号与时间戳；仅凭其中之一匹配",
    ),
    "ssid": Text("carry another SSID than the probe", "SSID 与探测包不同"),
    "ttl": Text(
        "say that the probe arrived with TTL 0, so hops forward are not known",
        "声称探测包到达时 TTL 为 0，因此去程跳数未知",
    ),
    "reserved": Text(
        "have octets set that must be zero (TWAMP Light padding, or another layout)",
        "必须为零的字节不为零（TWAMP Light 填充或其他格式）",
    ),
    "tlvs": Text(
        "return malformed extensions, so when they were really sent is not known",
        "带回的扩展字段格式有误，因此无法得知其真实离开时刻",
    ),
    "layout": Text(
        "are not as long as the probe (TWAMP Light, or padding of their own)",
        "长度与探测包不同（TWAMP Light 或自带填充）",
    ),
}


def mark(odd: NDArray[np.uint16], where: NDArray[np.bool_], kind: np.uint16) -> None:
    """Note an nonconformity of some replies: `where` bool[n] of `odd` uint16[n]."""
    if where.any():
        odd[where] |= kind


class NonconformingReplies:
    """How many replies of each stream were odd in which way: `counts` int64[streams, kinds]."""

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros((0, len(NONCONFORMITIES)), np.int64)

    def begin(self, streams: NDArray[np.int64]) -> None:
        """Let streams begin without any."""
        if not len(streams):
            return
        counts, missing = self.counts, int(streams.max()) + 1 - len(self.counts)
        if missing > 0:
            counts = np.concatenate([counts, np.zeros((missing, len(NONCONFORMITIES)), np.int64)])
        counts[streams] = 0
        self.counts = counts

    def count(self, stream: NDArray[Any], odd: NDArray[np.uint16]) -> None:
        """Count the nonconformities of n replies to probes of streams."""
        if not odd.any():
            return
        for kind in range(len(NONCONFORMITIES)):
            of_kind = stream[(odd >> kind & 1).astype(np.bool_)]
            if len(of_kind):
                np.add.at(self.counts[:, kind], of_kind, 1)

    def of(self, stream: int) -> dict[str, int]:
        """Return the counts of one stream by kind, without zeros."""
        if stream >= len(self.counts):
            return {}
        counts = zip(NONCONFORMITIES, self.counts[stream].tolist(), strict=True)
        return {kind: count for kind, count in counts if count}


def remarks(counts: Mapping[str, int]) -> list[Remark]:
    """Return a remark on each kind of nonconformity, with {targets} for whose replies they are."""
    return [
        Remark(
            f"odd_{kind}",
            Text(
                f"Replies of {{targets}}: {count} {_TOLD[kind].en}.",
                f"{{targets}} 的应答：{count} 个{_TOLD[kind].zh}。",
            ),
        )
        for kind, count in counts.items()
    ]


def summary(by_destination: Mapping[str, Mapping[str, int]]) -> Text | None:
    """Return what an agent reports about all its reflectors, None where nothing is odd."""
    if not by_destination:
        return None
    shown = list(by_destination.items())[:3]
    more = len(by_destination) - len(shown)
    lists = [
        f"{place} ({', '.join(f'{kind} {count}' for kind, count in counts.items())})"
        for place, counts in shown
    ]
    en = ", ".join(lists) + (f" and {more} more" if more else "")
    zh = "、".join(lists) + (f" 等 {len(by_destination)} 个" if more else "")
    return Text(
        f"Replies do not conform to RFC 8762, by kind: {en}. Round trips and loss are valid; "
        f"impossible one-way delays are left out.",
        f"应答不符合 RFC 8762，按类别计数：{zh}。往返时延与丢包不受影响；"
        "不可信的单向时延不予采用。",
    )
