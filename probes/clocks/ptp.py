"""What ptp4l says of this machine's clock, read from the text that `pmc` prints.

The bound has no standard formula; ours adds what can be wrong (docs/concepts/measurement.md §4.1):
the offset from the master, the grandmaster's own accuracy (IEEE 1588-2019 table 5), and the whole
mean path delay, because an asymmetry of the path shifts the clock by at most that, unless the owner
states a smaller asymmetry. Anything not locked to a primary reference is unsynchronised.
"""

from __future__ import annotations

from dataclasses import dataclass

from foundation.errors import RemoteProtocolError

# What to ask, in one call: pmc -u -b 0 QUERY...
PMC_QUERIES = (
    "GET TIME_STATUS_NP",
    "GET CURRENT_DATA_SET",
    "GET PARENT_DATA_SET",
    "GET PORT_DATA_SET",
)

_LOCKED_CLOCK_CLASSES = frozenset({6, 13})  # locked to a primary reference: PTP, ARB timescale
# IEEE 1588-2019 table 5, nanoseconds. 0x30 is "worse than 10 s", 0xFE unknown: no bound.
_ACCURACY_NS = {
    0x20: 25.0,
    0x21: 100.0,
    0x22: 250.0,
    0x23: 1e3,
    0x24: 2.5e3,
    0x25: 1e4,
    0x26: 2.5e4,
    0x27: 1e5,
    0x28: 2.5e5,
    0x29: 1e6,
    0x2A: 2.5e6,
    0x2B: 1e7,
    0x2C: 2.5e7,
    0x2D: 1e8,
    0x2E: 2.5e8,
    0x2F: 1e9,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PtpStatus:
    """The state of a PTP clock; `accuracy_ns` is None where the grandmaster does not know it."""

    grandmaster_present: bool
    port_state: str
    clock_class: int
    accuracy_ns: float | None
    offset_ns: float
    mean_path_delay_ns: float

    def is_synchronised(self) -> bool:
        """Return whether this clock follows a grandmaster that is locked to a primary reference."""
        return (
            self.grandmaster_present
            and self.port_state == "SLAVE"
            and self.clock_class in _LOCKED_CLOCK_CLASSES
            and self.accuracy_ns is not None
        )

    def bound_ns(self, asymmetry_ns: float | None = None) -> float | None:
        """Return the bound on this clock's error, or None where there is none to give.

        `asymmetry_ns` is the owner's statement about the path to the master: the largest
        difference between its two directions.
        """
        if self.accuracy_ns is None:
            return None
        path_ns = self.mean_path_delay_ns if asymmetry_ns is None else asymmetry_ns / 2
        return abs(self.offset_ns) + self.accuracy_ns + abs(path_ns)


def read_pmc(text: str) -> PtpStatus:
    """Parse what pmc printed for PMC_QUERIES. Raises RemoteProtocolError where a field is missing.

    With several ports, one in state SLAVE speaks for the clock.
    """
    fields: dict[str, str] = {}
    states: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) != 2 or not line.startswith("\t\t"):
            continue
        fields[words[0]] = words[1]
        if words[0] == "portState":
            states.append(words[1])
    try:
        return PtpStatus(
            grandmaster_present=fields["gmPresent"] == "true",
            port_state="SLAVE" if "SLAVE" in states else states[0],
            clock_class=int(fields["gm.ClockClass"]),
            accuracy_ns=_ACCURACY_NS.get(int(fields["gm.ClockAccuracy"], 16)),
            offset_ns=float(fields["master_offset"]),
            mean_path_delay_ns=float(fields["meanPathDelay"]),
        )
    except (KeyError, IndexError, ValueError) as error:
        raise RemoteProtocolError(
            f"pmc's answer lacks a usable {error}; is ptp4l running, and may this user ask it?",
            f"pmc 的应答中缺少可用的 {error}；请确认 ptp4l 正在运行且当前用户有权查询。",
        ) from error
