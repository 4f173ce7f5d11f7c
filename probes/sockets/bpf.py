"""Classic BPF socket filters that keep other people's packets out of our raw sockets.

A raw socket is handed every packet of its protocol that reaches the host; these programs, run in
the kernel, let through the answers to one flow of ours and nothing else
(docs/concepts/measurement.md §3.5).
"""

from __future__ import annotations

import ctypes
import socket
import struct

_SO_ATTACH_FILTER = 26
_MSG_DONTWAIT = 0x40

# Opcodes (linux/bpf_common.h).
_LDX_IP_HEADER = 0xB1  # X = 4 * ([k] & 0xf)
_LDX_CONSTANT = 0x01
_LD_BYTE_AT_X, _LD_HALF_AT_X = 0x50, 0x48  # A = packet[X + k]
_JUMP_EQUAL, _RETURN = 0x15, 0x06
_ACCEPT, _DROP = 0x40000, 0

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, k


def _at_transport_header(family: int) -> Instruction:
    """Point X at the transport header: IPv4 raw sockets deliver the IP header, IPv6 ones do not."""
    return (_LDX_IP_HEADER, 0, 0, 0) if family == socket.AF_INET else (_LDX_CONSTANT, 0, 0, 0)


def echo_reply_filter(family: int, ident: int) -> list[Instruction]:
    """Accept ICMP (ICMPv6) echo replies with identifier `ident`, on a raw socket."""
    reply = 0 if family == socket.AF_INET else 129
    return [
        _at_transport_header(family),
        (_LD_BYTE_AT_X, 0, 0, 0),
        (_JUMP_EQUAL, 0, 3, reply),
        (_LD_HALF_AT_X, 0, 0, 4),
        (_JUMP_EQUAL, 0, 1, ident),
        (_RETURN, 0, 0, _ACCEPT),
        (_RETURN, 0, 0, _DROP),
    ]


def tcp_port_filter(family: int, port: int) -> list[Instruction]:
    """Accept TCP segments to our `port`, on a raw socket: nobody else's arrive there."""
    return [
        _at_transport_header(family),
        (_LD_HALF_AT_X, 0, 0, 2),
        (_JUMP_EQUAL, 0, 1, port),
        (_RETURN, 0, 0, _ACCEPT),
        (_RETURN, 0, 0, _DROP),
    ]


def attach_filter(sock: socket.socket, program: list[Instruction]) -> None:
    """Attach `program` and discard what had been queued before it was in force."""
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    memory = ctypes.create_string_buffer(code)
    head = struct.pack("@HP", len(program), ctypes.addressof(memory))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, head)
    while True:
        try:
            sock.recv(1, _MSG_DONTWAIT)
        except BlockingIOError:
            return
