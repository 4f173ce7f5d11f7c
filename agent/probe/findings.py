"""What a run found beside delays: probes that never left, answers of no use, DSCPs that changed.

Each is counted by cause for every target, and told in a sentence with a place for the targets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agent.probe.host_tables import HostTables
from agent.probe.reasons import not_sent
from foundation.text import Text
from probes.channels.discarded import DISCARDED, not_sent_cause
from probes.protocols.registry import protocol_of
from probes.remark import Remark, about
from probes.stream import ProtocolName

Counts = dict[str, int]

_SOME_LEFT = Text("Not all probes were sent. {why}", "部分探测包未能发出。{why}")
_UNREAD = Text(
    "This machine's receive buffer was too small for the answers of {targets}: those probes were "
    "sent, but count as neither answered nor lost. Choose a longer --interval, or raise `sysctl "
    "net.core.rmem_max`.",
    "本机接收缓冲区放不下 {targets} 的应答：这些探测包已发出，既不算收到也不算丢失。请增大 "
    "--interval，或调大 `sysctl net.core.rmem_max`。",
)
_OF_NO_USE = {
    "truncated": Text(
        "Answers of {targets} are shorter than the probes (truncated) and do not count; check "
        "what answers there, and try another --size.",
        "{targets} 的应答短于所发的探测包（被截断），不计入收到；请检查对端由什么程序应答，并改用"
        "其他 --size。",
    ),
    "checksum": Text(
        "Answers of {targets} arrived with a wrong checksum: they were damaged in transit; check "
        "the error counters of the interfaces.",
        "{targets} 的应答校验和错误：在途中损坏；请检查各接口的错误计数。",
    ),
    "other_address": Text(
        "Probes to {targets} are answered from an address or port other than the one probed: such "
        "answers do not count; probe that address, or check NAT and the routes back.",
        "发往 {targets} 的探测包由另一地址或端口应答，不计入收到；请直接探测该地址，或检查 NAT "
        "与回程路由。",
    ),
    "altered": Text(
        "Answers of {targets} do not match the probes: they were changed in transit, or forged "
        "(with --hmac-key-file: signed with another key); they do not count.",
        "{targets} 的应答与探测包内容不符：在途中被改动，或系伪造（使用 --hmac-key-file 时：密钥"
        "不同），不计入收到。",
    ),
    "malformed": Text(
        "Answers of {targets} are packets of an unexpected kind; check what answers there.",
        "{targets} 以其他类型的报文应答；请检查对端由什么程序应答。",
    ),
}
_CHANGED_THERE = Text(
    "Probes to {targets} left with DSCP {asked} and reached the reflector with DSCP {seen}: "
    "a device on the path changes it; check the trust and remarking settings of routers.",
    "发往 {targets} 的探测包以 DSCP {asked} 发出，到达反射端时为 DSCP {seen}：去程途中被改写；"
    "请检查沿途路由器的信任与重标记设置。",
)
_CONGESTED = Text(
    "Answers of {targets} arrive marked as having met congestion (ECN CE).",
    "{targets} 的应答带有拥塞标记（ECN CE）。",
)


@dataclass(frozen=True, slots=True)
class Hops:
    """How far away what answered is: the TTL (hop limit) that most answers arrived with, and the
    routers on the way there and back; None where nobody tells. Those back are judged by the TTL,
    since hosts send with 64, 128 or 255."""

    ttl: int | None = None
    forward: int | None = None
    backward: int | None = None


@dataclass(slots=True)
class DscpMarks:
    """DSCP and ECN of one target's answered probes: `seen` by way has how often each octet of the
    IP header was seen, at the far end (forward) and here (backward)."""

    asked: int = 0
    seen: dict[str, dict[int, int]] = field(default_factory=lambda: {"forward": {}, "backward": {}})

    def dscp(self, way: str) -> int | None:
        """Return the DSCP that was seen most, None where none was."""
        return _commonest({tos >> 2: 0 for tos in self.seen[way]}, self.seen[way])

    def changed(self, way: str) -> int:
        """Return how many had another DSCP than they left with."""
        return sum(count for tos, count in self.seen[way].items() if tos >> 2 != self.asked)

    def document(self) -> dict[str, int | None]:
        """Return what JSON says of them."""
        ways = ("forward", "backward")
        return {
            "sent": self.asked,
            **{way: self.dscp(way) for way in ways},
            **{f"changed_{way}": self.changed(way) for way in ways},
            **{f"ecn_{way}": max((t & 3 for t in self.seen[way]), default=None) for way in ways},
        }

    def remarks(self, protocol: ProtocolName) -> Iterator[Remark]:
        """Yield what is to be said of DSCPs that did not come through."""
        there = self._changed_to("forward")
        back = self._changed_to("backward")
        if there is not None:
            yield Remark(
                "dscp_changed_forward", about(_CHANGED_THERE, asked=self.asked, seen=there)
            )
        elif back is not None:
            text = protocol_of(protocol).dscp_changed_back
            changed = about(text, asked=self.asked, seen=back)
            yield Remark("dscp_changed_backward", changed)
        if any(tos & 3 == 3 for tos in self.seen["backward"]):
            yield Remark("ecn_congestion", _CONGESTED)

    def _changed_to(self, way: str) -> int | None:
        others = {tos >> 2: 0 for tos in self.seen[way] if tos >> 2 != self.asked}
        return _commonest(others, self.seen[way])


def _commonest(dscps: dict[int, int], seen: dict[int, int]) -> int | None:
    """Return which of some DSCPs was seen most, None where there are none."""
    for tos, count in seen.items():
        if tos >> 2 in dscps:
            dscps[tos >> 2] += count
    return max(dscps, key=dscps.__getitem__, default=None)


def by_target(target: NDArray[np.int64], value: NDArray[np.int64]) -> dict[int, dict[int, int]]:
    """Return how often each value comes with each target: target -> value -> count."""
    found: dict[int, dict[int, int]] = {}
    if len(target):
        pairs, counts = np.unique(np.stack([target, value]), axis=1, return_counts=True)
        for one, other, count in zip(*pairs.tolist(), counts.tolist(), strict=True):
            found.setdefault(one, {})[other] = count
    return found


def causes_of(errors: dict[int, int]) -> Counts:
    """Return how many probes did not leave by NOT_SENT, of errno -> count."""
    counts: Counts = {}
    for number, count in errors.items():
        cause = not_sent_cause(number)
        counts[cause] = counts.get(cause, 0) + count
    return counts


def why_not_sent(errors: dict[int, int], tables: HostTables, *, some: bool) -> list[Remark]:
    """Return a remark for each errno that probes met with; `some` tells that others left."""
    told = [not_sent(number, tables) for number in sorted(errors, key=lambda n: -errors[n])]
    if not some:
        return told
    return [Remark(each.code, about(_SOME_LEFT, why=each.text)) for each in told]


def why_of_no_use(discarded: Counts, unread: int) -> list[Remark]:
    """Return a remark for each reason why answers did not count."""
    told = [
        Remark(f"discarded_{reason}", _OF_NO_USE[reason])
        for reason in DISCARDED
        if reason in discarded.keys() & _OF_NO_USE
    ]
    return told + [Remark("unread", _UNREAD)] * bool(unread)
