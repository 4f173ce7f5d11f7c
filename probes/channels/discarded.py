"""Answers that arrived and could not be used, by reason, and the errnos of probes that never left.

Why a probe has no answer is one number, its cause: an errno where the system or an ICMP error told,
a negative number where an answer came that was of no use.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.measures import NOT_SENT

# truncated: shorter than the probe asks for. checksum: wrong. other_address: told by its contents,
# but from another address or port than the probe went to. altered: the number fits, what only the
# true answer repeats does not. malformed: not of the kind that was asked. too_late: after the
# waiting time and the time beyond it in which late answers are still told from losses.
DISCARDED = ("truncated", "checksum", "other_address", "altered", "malformed", "too_late")
TRUNCATED, CHECKSUM, OTHER_ADDRESS, ALTERED, MALFORMED, TOO_LATE = range(6)

_CAUSES = {
    "firewall": (errno.EPERM,),
    "no_route": (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL),
    "interface": (errno.ENODEV, errno.ENXIO, errno.ENETDOWN, errno.EADDRNOTAVAIL),
    "queue": (errno.ENOBUFS, errno.EAGAIN, errno.ENOMEM),
    "too_big": (errno.EMSGSIZE,),
}
_MOST_ERRNO = 256


@dataclass(frozen=True, slots=True)
class Discarded:
    """k answers of no use: `session` int64[k] (-1 where only the contents can tell), what they say
    of their probe (`low_sequence` -1 where nothing, `check`), `reason` uint8[k] (DISCARDED)."""

    session: NDArray[np.int64]
    low_sequence: NDArray[np.int64]
    sequence_bits: int
    check: NDArray[np.uint64]
    reason: NDArray[np.uint8]


def cause_of(reason: Any) -> Any:
    """Return the cause that stands for a reason (a number or an array)."""
    return -1 - np.asarray(reason, np.int32)


def reason_of(cause: Any) -> Any:
    """Return the reason that a negative cause stands for."""
    return -1 - cause


def _causes_by_errno() -> NDArray[np.uint8]:
    causes = np.full(_MOST_ERRNO, NOT_SENT.index("other"), np.uint8)
    for name, numbers in _CAUSES.items():
        causes[list(numbers)] = NOT_SENT.index(name)
    return causes


_NOT_SENT_OF = _causes_by_errno()


def not_sent_cause(error: int) -> str:
    """Return which of NOT_SENT an errno means, by name."""
    return NOT_SENT[int(not_sent_causes(np.array([error]))[0])]


def not_sent_causes(error: NDArray[Any]) -> NDArray[np.uint8]:
    """Return which of NOT_SENT each errno means."""
    causes: NDArray[np.uint8] = _NOT_SENT_OF[np.clip(error, 0, _MOST_ERRNO - 1)]
    return causes
