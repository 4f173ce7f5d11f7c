"""Packets that the kernel threw away because their checksums were wrong.

It counts them at a socket together with those that found no room (sk_drops), and by protocol in
/proc/net/snmp and snmp6, for the network namespace of the thread that reads.
"""

from __future__ import annotations

import socket
from pathlib import Path

_SNMP = Path("/proc/thread-self/net/snmp")
_SNMP6 = Path("/proc/thread-self/net/snmp6")


class DamagedPackets:
    """Those of one protocol that have been counted since this was made, each to be claimed once.

    `name` is what the kernel's counters call the protocol, such as ``Udp``; None where they count
    none.
    """

    def __init__(self, name: str | None, family: int) -> None:
        self._name, self._family = name, family
        self._claimed = self._count()

    def claim(self, most: int) -> int:
        """Return how many packets, `most` at most, were damaged and not claimed before."""
        fresh = max(min(self._count() - self._claimed, most), 0)
        self._claimed += fresh
        return fresh

    def _count(self) -> int:
        name = self._name
        if name is None:
            return 0
        try:
            if self._family == socket.AF_INET6:
                return _of_pairs(_SNMP6.read_text(encoding="ascii"), f"{name}6InCsumErrors")
            return _of_table(_SNMP.read_text(encoding="ascii"), f"{name}:", "InCsumErrors")
        except (OSError, ValueError):
            return 0


def _of_pairs(text: str, name: str) -> int:
    """Read one number of a file with a name and a number in each line."""
    found = (line.split() for line in text.splitlines())
    return next((int(words[1]) for words in found if words and words[0] == name), 0)


def _of_table(text: str, protocol: str, name: str) -> int:
    """Read one number of a file with a line of names and one of numbers for each protocol."""
    lines = [line.split() for line in text.splitlines() if line.startswith(protocol)]
    return int(dict(zip(*lines, strict=False)).get(name, 0)) if len(lines) == 2 else 0
