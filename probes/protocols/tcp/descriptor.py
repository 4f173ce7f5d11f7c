"""TCP SYN, described."""

from foundation.text import Text
from probes.protocols.descriptor import ProbeProtocol
from probes.protocols.tcp.limits import SEGMENT_BYTES, SYN_LIMIT_NS

TCP = ProbeProtocol(
    name="tcp",
    title=Text("TCP SYN", "TCP SYN"),
    standard=Text("RFC 9293", "RFC 9293"),
    opener="probes.protocols.tcp.opening:open_channel",
    rank=2,
    header_bytes=SEGMENT_BYTES,
    payload=None,
    default_port=443,
    needs_port=True,
    sockets_a_flow=2,  # one holds the source port, which the raw one does not
    longest_wait_ns=SYN_LIMIT_NS,
    dscp_changed_back=Text(
        "Probes to {targets} left with DSCP {asked}, and answers arrive with DSCP {seen}: servers "
        "answer a SYN with a DSCP of their own unless configured otherwise (`sysctl "
        "net.ipv4.tcp_reflect_tos`), or a device on the way back changes it.",
        "发往 {targets} 的探测包以 DSCP {asked} 发出，应答的 DSCP 为 {seen}：服务器默认以自己的 "
        "DSCP 应答 SYN（除非设置 `sysctl net.ipv4.tcp_reflect_tos`），或回程途中有设备改写。",
    ),
    size_help=Text("TCP SYNs carry none", "TCP SYN 无载荷"),
)
