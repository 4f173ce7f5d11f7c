"""Tables of the kernel that fill up, and then stop probes under the name of something else.

A full table of neighbours looks like a full queue (ENOBUFS), a full table of connections like a
rule of the firewall (EPERM). Both count what they turn away, where this machine shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_STATISTICS = Path("/proc/net/stat")


@dataclass(frozen=True, slots=True)
class HostTables:
    """How often each table had no room: since the machine started, or as the difference of two."""

    neighbours_full: int = 0
    connections_dropped: int = 0

    @staticmethod
    def read(statistics: Path = _STATISTICS) -> HostTables:
        """Return the counts as they stand; 0 for what this machine does not show."""
        neighbours = (_column(statistics / f"{name}_cache", "table_fulls")
                      for name in ("arp", "ndisc"))  # fmt: skip
        return HostTables(sum(neighbours), _column(statistics / "nf_conntrack", "drop"))

    def since(self, before: HostTables) -> HostTables:
        """Return what has been turned away since then."""
        return HostTables(
            self.neighbours_full - before.neighbours_full,
            self.connections_dropped - before.connections_dropped,
        )


def _column(path: Path, name: str) -> int:
    """Return the sum of a hexadecimal column over all processors."""
    try:
        heading, *lines = path.read_text(encoding="ascii").splitlines()
        place = heading.split().index(name)
        return sum(int(line.split()[place], 16) for line in lines)
    except (OSError, ValueError, IndexError):
        return 0
