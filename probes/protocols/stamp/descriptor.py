"""STAMP over UDP, described.

What is sent unless somebody chooses otherwise has room for Follow-Up Telemetry (RFC 8972 §4.7), by
which a reflector tells when its replies truly left (docs/decisions/stamp.md).
"""

from foundation.text import Text
from probes.protocols.descriptor import CodedText, PayloadSizes, ProbeProtocol
from probes.stamp.sizes import STAMP_AUTHENTICATED_BYTES, STAMP_BASE_BYTES, STAMP_PORT

_FOLLOW_UP_BYTES, _CLASS_OF_SERVICE_BYTES, _HMAC_BYTES = 20, 8, 20  # TLVs (RFC 8972 §4.4, 7, 8)

STAMP = ProbeProtocol(
    name="udp",
    title=Text("UDP (STAMP)", "UDP（STAMP）"),
    standard=Text("STAMP, RFC 8762", "STAMP，RFC 8762"),
    opener="probes.protocols.stamp.opening:open_channel",
    rank=0,
    payload=PayloadSizes(
        usual=STAMP_BASE_BYTES + _FOLLOW_UP_BYTES,
        least=STAMP_BASE_BYTES,
        marked=STAMP_BASE_BYTES + _FOLLOW_UP_BYTES + _CLASS_OF_SERVICE_BYTES,
        packet=Text("a STAMP packet", " STAMP 报文"),
    ),
    signed_payload=PayloadSizes(
        usual=STAMP_AUTHENTICATED_BYTES + _FOLLOW_UP_BYTES + _HMAC_BYTES,
        least=STAMP_AUTHENTICATED_BYTES,
        packet=Text("an authenticated STAMP packet", "带认证的 STAMP 报文"),
    ),
    default_port=STAMP_PORT,
    needs_reflector=True,
    kernel_counters="Udp",
    unanswered=CodedText(
        code="no_stamp_answer",
        text=Text(
            "No STAMP answer from {targets}: does a reflector listen on UDP port {port} there "
            "(`isochrone reflect`), does it accept this machine (its --peer), and do the keys "
            "match (--hmac-key-file)?",
            "{targets} 没有 STAMP 应答：请确认对端 UDP 端口 {port} 上有反射端（`isochrone "
            "reflect`）、其 --peer 允许本机、双方密钥（--hmac-key-file）一致。",
        ),
    ),
    nothing_listens=CodedText(
        code="nothing_listens",
        text=Text(
            "Nothing listens on UDP port {port} of {targets}, or its firewall rejects probes "
            "({icmp}: port unreachable, from {who}); start `isochrone reflect` there, or name its "
            "port with --port.",
            "{targets} 的 UDP 端口 {port} 无人监听，或被其防火墙拒绝（{icmp}：端口不可达，"
            "来自{who}）；请在对端启动 `isochrone reflect`，或用 --port 指定其端口。",
        ),
    ),
    dscp_changed_back=Text(
        "Probes to {targets} left with DSCP {asked}, and replies arrive with DSCP {seen}: "
        "a device on the path changes it, or the reflector does not copy what it receives.",
        "发往 {targets} 的探测包以 DSCP {asked} 发出，应答的 DSCP 为 {seen}：途中有设备改写，"
        "或反射端不沿用收到的 DSCP。",
    ),
    size_help=Text(
        "UDP payload (default 64, at least 44; with 64 or more, reflectors report when replies "
        "were really sent)",
        "UDP 载荷（默认 64，至少 44；64 起反射端可回传应答的真实发出时刻）",
    ),
)
