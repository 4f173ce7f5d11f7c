"""ICMP echo, described."""

from foundation.text import Text
from probes.protocols.descriptor import FlowMarkName, PayloadSizes, ProbeProtocol

ICMP = ProbeProtocol(
    name="icmp",
    title=Text("ICMP echo", "ICMP 回显"),
    standard=Text("RFC 792, RFC 4443", "RFC 792、RFC 4443"),
    opener="probes.protocols.icmp.opening:open_channel",
    rank=1,
    payload=PayloadSizes(usual=44),
    flow_mark=FlowMarkName(key="identifier", title=Text("identifier", "标识符")),
    kernel_counters="Icmp",
    dscp_changed_back=Text(
        "Probes to {targets} left with DSCP {asked}, and answers arrive with DSCP {seen}: hosts "
        "repeat the DSCP of an echo as a rule, so a device on the path changes it.",
        "发往 {targets} 的探测包以 DSCP {asked} 发出，应答的 DSCP 为 {seen}：主机通常沿用回显"
        "请求的 DSCP，因此去程或回程途中很可能有设备改写。",
    ),
    size_help=Text("ICMP data (default 44)", "ICMP 数据（默认 44）"),
)
