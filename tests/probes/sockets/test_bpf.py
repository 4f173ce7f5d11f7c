"""The filters of raw sockets."""

import socket

from probes.sockets import bpf


def test_filters_are_as_long_as_their_jumps_say() -> None:
    for program in (
        bpf.echo_reply_filter(socket.AF_INET, 7),
        bpf.tcp_port_filter(socket.AF_INET6, 7),
    ):
        for place, (_, true, false, _) in enumerate(program):
            assert place + 1 + max(true, false) <= len(program) - 1 or program[place][0] == 6
