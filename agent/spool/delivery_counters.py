"""Which chunks the controller was offered and how much it took, kept across kill -9 on any disk.

A few numbers in the page of `agent.spool.sent_counters`. They are kept twice: a change is written
to the copy that does not count, then one number says that it counts, so that whoever is killed in
between left the one state or the other. A chunk that was offered and whose outcome is unknown is
*in doubt*: it is offered again before any other and never dropped meanwhile, so there are few of
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.spool.counts import PLACES, Count, counted_at

MOST_OFFERED = 16  # one round's, and those that wait in doubt
_NONE = Count()
_OFFER_FIELDS = 3 + PLACES
_BESIDE_AT, _DELIVERED_AT, _OFFERS_AT = 0, PLACES, 2 * PLACES
_COPY = _OFFERS_AT + MOST_OFFERED * _OFFER_FIELDS
NUMBERS = 1 + 2 * _COPY  # which copy counts, and both


class Offer(NamedTuple):
    """A chunk that the controller may have."""

    boot: str
    sequence: int
    start_ns: int
    held: Count


class DeliveryCounters:
    """What was offered and delivered. `numbers` int64[NUMBERS], all 0 at first."""

    def __init__(self, numbers: NDArray[np.int64]) -> None:
        self._numbers = numbers

    @property
    def beside(self) -> Count:
        """What the controller took from memory: the spool's file never heard of it."""
        return _count_at(self._copy, _BESIDE_AT)

    @property
    def delivered(self) -> Count:
        """Everything the controller took."""
        return _count_at(self._copy, _DELIVERED_AT)

    def in_doubt(self) -> dict[int, Offer]:
        """Return the chunks whose outcome is unknown, by sequence."""
        rows = self._copy[_OFFERS_AT:].reshape(MOST_OFFERED, _OFFER_FIELDS)
        offers = {}
        for row in rows[rows[:, 1] != 0]:
            boot, sequence, start_ns = row[:3].tolist()
            held = counted_at(row[3:])
            offers[sequence] = Offer(f"{boot % (1 << 64):016x}", sequence, start_ns, held)
        return offers

    def offer(self, offers: Iterable[Offer]) -> None:
        """Write down what is about to be offered; MOST_OFFERED in all."""
        with self._change() as copy:
            _put(copy, self.in_doubt() | {offer.sequence: offer for offer in offers})

    def settle(
        self, sequences: Iterable[int], *, delivered: Count = _NONE, beside: Count = _NONE
    ) -> None:
        """Forget offers whose outcome is known and count what was delivered, in one step."""
        gone = set(sequences)
        with self._change() as copy:
            _add(copy, _BESIDE_AT, beside)
            _add(copy, _DELIVERED_AT, delivered)
            _put(copy, {s: offer for s, offer in self.in_doubt().items() if s not in gone})

    def begin_at(self, delivered: Count, beside: Count) -> None:
        """Begin with these counts and nothing in doubt."""
        with self._change() as copy:
            copy[:] = 0
            _add(copy, _BESIDE_AT, beside)
            _add(copy, _DELIVERED_AT, delivered)

    @property
    def _copy(self) -> NDArray[np.int64]:
        return self._copy_of(int(self._numbers[0] & 1))

    def _copy_of(self, which: int) -> NDArray[np.int64]:
        return self._numbers[1 + which * _COPY : 1 + (which + 1) * _COPY]

    @contextmanager
    def _change(self) -> Iterator[NDArray[np.int64]]:
        other = 1 - int(self._numbers[0] & 1)
        copy = self._copy_of(other)
        copy[:] = self._copy
        yield copy
        self._numbers[0] = other  # one aligned store: whoever is killed has done it or not


def _put(copy: NDArray[np.int64], offers: dict[int, Offer]) -> None:
    rows = np.zeros((MOST_OFFERED, _OFFER_FIELDS), np.int64)
    for row, offer in zip(rows, offers.values(), strict=False):
        row[0] = np.uint64(int(offer.boot, 16)).astype(np.int64)
        row[1:3] = offer.sequence, offer.start_ns
        row[3:] = offer.held.placed()
    copy[_OFFERS_AT:] = rows.reshape(-1)


def _count_at(copy: NDArray[np.int64], place: int) -> Count:
    return counted_at(copy[place : place + PLACES])


def _add(copy: NDArray[np.int64], place: int, count: Count) -> None:
    copy[place : place + PLACES] += count.placed()
