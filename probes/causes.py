"""Why a probe did not leave or was not answered: what was said, and who said it.

A probe carries its cause as one int32: the errno in its low 12 bits, 0 for unknown, and above them
the place of what ICMP said in the table of its engine, 0 where this system said it. So whoever
wants the errno alone needs no table (`errno_of`), and no probe carries more than a number.
"""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

_ERRNO_BITS = 12
_MOST_SAID = 4096  # who forges ICMP errors fills no memory; beyond this, who said it is left out
ORIGIN_ICMP, ORIGIN_ICMP6 = 2, 3  # SO_EE_ORIGIN_…
_FAMILY: dict[int, Literal[4, 6]] = {ORIGIN_ICMP: 4, ORIGIN_ICMP6: 6}
_SAID = np.dtype([("error", "<i4"), ("word", "<u4"), ("by", "V28")])


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause: `number` is the errno; `icmp` 4 or 6 where an ICMP error of that family said it,
    with its `kind` (type), `code`, and the address `said_by` it came from, empty if not known."""

    number: int
    icmp: Literal[0, 4, 6] = 0
    kind: int = 0
    code: int = 0
    said_by: str = ""


UNKNOWN = Cause(0)


def errno_of(codes: NDArray[Any]) -> NDArray[np.int32]:
    """Return the errno of each cause, int32[n]."""
    numbers: NDArray[np.int32] = codes.astype(np.int32) & ((1 << _ERRNO_BITS) - 1)
    return numbers


class Causes:
    """What ICMP said to one engine, each saying once; read by other threads than the engine's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: list[Cause] = [UNKNOWN]
        self._place: dict[Cause, int] = {}

    def codes(
        self, error: NDArray[np.int32], word: NDArray[np.uint32], by: NDArray[np.uint8]
    ) -> NDArray[np.int32]:
        """Return the codes of n ICMP errors.

        `error` int32[n] errno, `word` uint32[n] origin, type and code as the kernel packs them,
        `by` uint8[n, 28] the sockaddr of who said it.
        """
        rows = np.zeros(len(error), _SAID)
        rows["error"], rows["word"] = error, word
        rows["by"] = np.ascontiguousarray(by).view("V28")[:, 0]
        once, inverse = np.unique(rows.view(f"V{_SAID.itemsize}"), return_inverse=True)
        codes = [self._code(_cause(row)) for row in once.view(_SAID)]
        return np.array(codes, np.int32)[inverse]

    def _code(self, cause: Cause) -> int:
        if not cause.icmp:
            return cause.number
        with self._lock:
            if len(self._said) >= _MOST_SAID and cause not in self._place:
                cause = Cause(cause.number, cause.icmp, cause.kind, cause.code)
            place = self._place.get(cause)
            if place is None:  # without who, there are few
                place = self._place[cause] = len(self._said)
                self._said.append(cause)
        return cause.number | place << _ERRNO_BITS

    def of(self, code: int) -> Cause:
        """Return the cause that a probe carries."""
        place = code >> _ERRNO_BITS
        return self._said[place] if place else Cause(code & ((1 << _ERRNO_BITS) - 1))


def _cause(row: Any) -> Cause:
    word = int(row["word"])
    return Cause(
        number=int(row["error"]),
        icmp=_FAMILY.get(word & 0xFF, 0),
        kind=word >> 8 & 0xFF,
        code=word >> 16 & 0xFF,
        said_by=_host(row["by"].tobytes()),
    )


def _host(raw: bytes) -> str:
    """Return the address in a sockaddr, empty if there is none."""
    family = int.from_bytes(raw[:2], "little")
    if family == socket.AF_INET:
        return socket.inet_ntop(family, raw[4:8])
    return socket.inet_ntop(family, raw[8:24]) if family == socket.AF_INET6 else ""
