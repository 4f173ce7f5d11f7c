"""The words of a report, in both languages."""

from __future__ import annotations

from foundation.text import Text

VERDICT_WORDS = {
    "pass": Text("Pass", "达标"),
    "fail": Text("Fail", "不达标"),
    "undecided": Text("Undecided", "无法判定"),
    "impossible": Text("Impossible", "不可能达到"),
    "no_data": Text("No data", "无数据"),
}
# A sign beside the colour: for printers and for eyes that do not tell red from green.
VERDICT_SIGNS = {"pass": "✓", "fail": "✕", "undecided": "?", "impossible": "⊘", "no_data": "–"}
DIRECTION_WORDS = {
    "one_way": Text("one way", "单向"),
    "round_trip": Text("round trip", "往返"),
}
STATISTIC_WORDS = {
    "p50": Text("median", "中位数"),
    "p90": Text("p90", "P90"),
    "p95": Text("p95", "P95"),
    "p99": Text("p99", "P99"),
    "p999": Text("p99.9", "P99.9"),
    "mean": Text("mean", "平均值"),
    "max": Text("maximum", "最大值"),
}
KIND_WORDS = {
    "delay": Text("delay", "时延"),
    "loss": Text("loss", "丢包率"),
    "delay_ratio": Text("delay over theoretical delay", "时延与理论时延之比"),
    "variation": Text("delay variation", "时延变化"),
    "improvement": Text("improvement on a baseline", "较基线期改善"),
    "comparison": Text("beside the ordinary path", "与普通路径对比"),
    "ipv6_parity": Text("IPv6 beside IPv4", "IPv6 与 IPv4 对比"),
    "one_hop": Text("one-hop link", "一跳直达"),
    "inventory": Text("declared figure", "申报数据"),
}
TIMESTAMPING_WORDS = {
    "none": Text("none", "无"),
    "user": Text("user space", "用户态"),
    "kernel": Text("kernel", "内核"),
    "hardware": Text("hardware", "硬件"),
}
# Why probes that were due are not judged, as the account has it.
LEFT_OUT_WORDS = {
    "not_sent": Text("never left their sender", "个未能发出"),
    "suspect": Text("left out: measured by a machine that stood still", "个不计：测量时主机停顿"),
    "change": Text(
        "left out: in the windows in which it begins and ends", "个不计：处于起止时刻所在窗口"
    ),
    "maintenance": Text("left out: announced maintenance", "个不计：已公告的维护时段"),
    "unanswered": Text(
        "left out: the agent at the far end did not answer", "个不计：对端探针未应答"
    ),
    "curtailed": Text(
        "not sent: refused or slowed by owners of agents", "个未发：被探针所有者拒绝或限速"
    ),
    "missing": Text("missing: no window of that time came in", "个缺失：没有收到该时段的窗口"),
}
