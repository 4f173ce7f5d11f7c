"""What windows report about probes that did not come to what was asked: told while it continues.

Not sent by cause, answers this machine had no room for, answers of no use, DSCPs that changed: the
counters of windows, summed up since the agent started (`totals`, in health reports).
"""

from __future__ import annotations

from collections.abc import Mapping

from agent.conditions import Conditions
from foundation.text import Text
from probes.measures import NOT_SENT
from probes.remark import about
from probes.window import WindowBatch

_NOT_SENT = tuple(f"not_sent_{cause}" for cause in NOT_SENT)
_CHANGED = ("dscp_changed_forward", "dscp_changed_backward")
COUNTED = (*_NOT_SENT, "unread", "discarded", *_CHANGED)
OVER_AFTER_NS = 120_000_000_000  # so long nothing of the kind: the condition ends
_CAUSES = {
    "not_sent_firewall": Text(
        "{n} by this machine's firewall (`nft list ruleset`)",
        "本机防火墙拦截 {n} 个（请检查 `nft list ruleset`）",
    ),
    "not_sent_no_route": Text("{n} without a route (`ip route`)", "无路由 {n} 个（`ip route`）"),
    "not_sent_interface": Text(
        "{n} since an interface or source address had disappeared (`ip address`)",
        "接口或源地址不可用 {n} 个（`ip address`）",
    ),
    "not_sent_queue": Text(
        "{n} dropped by this machine's queue (`tc -s qdisc`)",
        "本机发送队列丢弃 {n} 个（`tc -s qdisc`）",
    ),
    "not_sent_too_big": Text("{n} larger than the MTU", "超过 MTU {n} 个"),
    "not_sent_skipped": Text(
        "{n} skipped since the agent was late by whole intervals; at least {kept}% of the "
        "requested rate was achieved (is the machine overloaded?)",
        "探针滞后整个间隔而略过 {n} 个，至少保持了所要求速率的 {kept}%（机器是否过载？）",
    ),
    "not_sent_other": Text("{n} for another reason", "其他原因 {n} 个"),
}
_TOLD = {
    "not_sent": Text(
        "Probes that did not leave this machine since this began: {n}. The network did not lose "
        "them.",
        "自此情况开始，探测包未能离开本机：{n}。它们不是网络丢包。",
    ),
    "unread": Text(
        "This machine's receive buffer was full: {n} probes count as neither answered nor lost."
        " Raise `sysctl net.core.rmem_max`, or give the agent more CPU time.",
        "本机接收缓冲区已满，放不下应答：{n} 个探测包既不算收到也不算丢失。请调大 `sysctl "
        "net.core.rmem_max`，或为探针提供更多处理器时间。",
    ),
    "discarded": Text(
        "Some answers could not be used (truncated, damaged, altered, or from another address): "
        "{n} probes count as lost. `isochrone probe` to the targets with losses says why.",
        "收到无法使用的应答（被截断、损坏、改动或来自另一地址）：{n} 个探测包计为丢失。"
        "对有丢包的目标执行 `isochrone probe` 可查明原因。",
    ),
    "dscp_changed": Text(
        "{n} probes or answers arrived with a DSCP other than the requested one: a device on the "
        "path changes it, or the far end does not copy it. The windows show which streams.",
        "{n} 个探测包或应答到达时的 DSCP 与要求不符：途中有设备改写，或对端不沿用；"
        "测量窗口中可查到所涉及的测量流。",
    ),
}
_OF = {
    "not_sent": _NOT_SENT,
    "unread": ("unread",),
    "discarded": ("discarded",),
    "dscp_changed": _CHANGED,
}


class Shortfalls:
    """Sums of what windows counted; `take` is called on the engine's thread."""

    def __init__(self) -> None:
        self.totals: Mapping[str, int] = {}
        self._asked = 0  # of all windows, sent or not
        self._told: Mapping[str, int] = {}
        self._told_asked = 0
        # code -> (last seen, counts before it began, probes asked for before)
        self._begun: dict[str, tuple[int, Mapping[str, int], int]] = {}

    def take(self, batch: WindowBatch) -> None:
        """Add what a batch of windows counted."""
        found = {name: int(batch.counters[name].sum()) for name in COUNTED}
        self._asked += int(batch.counters["sent"].sum() + batch.not_sent().sum())
        if any(found.values()):
            before = self.totals
            self.totals = {name: before.get(name, 0) + found[name] for name in COUNTED}

    def tell(self, conditions: Conditions, now_ns: int) -> None:
        """Begin what continues and end what is over; `now_ns` is monotonic."""
        asked, totals, told = self._asked, self.totals, self._told
        for code, names in _OF.items():
            grew = any(totals.get(name, 0) > told.get(name, 0) for name in names)
            if grew:
                _, before, asked_before = self._begun.get(code, (0, told, self._told_asked))
                self._begun[code] = now_ns, before, asked_before
                text = _text(code, _since(totals, before), asked - asked_before)
                conditions.begin(code, "warning", text)
            elif code in self._begun and now_ns - self._begun[code][0] > OVER_AFTER_NS:
                del self._begun[code]
                conditions.end(code)
        self._told, self._told_asked = totals, asked


def _since(totals: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return {name: count - before.get(name, 0) for name, count in totals.items()}


def _text(code: str, counts: Mapping[str, int], asked: int) -> Text:
    """Return the sentence of a condition with its counts, those not sent by cause."""
    if code != "not_sent":
        return about(_TOLD[code], n=sum(counts[name] for name in _OF[code]))
    kept = 100 * (max(asked, 1) - counts["not_sent_skipped"]) // max(asked, 1)
    causes = [about(_CAUSES[name], n=counts[name], kept=max(kept, 0)) for name in _NOT_SENT
              if counts[name]]  # fmt: skip
    listed = Text(", ".join(text.en for text in causes), "、".join(text.zh for text in causes))
    return about(_TOLD[code], n=listed)
