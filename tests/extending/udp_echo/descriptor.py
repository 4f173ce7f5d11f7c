"""UDP echo, described."""

from foundation.text import Text
from probes.protocols.descriptor import PayloadSizes, ProbeProtocol

HEADER_BYTES = 12

ECHO = ProbeProtocol(
    name="echo",
    title=Text("UDP echo", "UDP 回显"),
    standard=Text("RFC 862", "RFC 862"),
    opener="udp_echo.channel:open_channel",
    rank=9,
    payload=PayloadSizes(
        usual=32, least=HEADER_BYTES, packet=Text("an echo request", " 回显请求报文")
    ),
    default_port=7,
    kernel_counters="Udp",
    dscp_changed_back=Text(
        "Probes to {targets} left with DSCP {asked}, and come back with DSCP {seen}.",
        "发往 {targets} 的探测包以 DSCP {asked} 发出，返回时为 {seen}。",
    ),
    size_help=Text("UDP echo data (default 32)", "UDP 回显数据（默认 32）"),
)
