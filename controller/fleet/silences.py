"""Which streams are silent, since when and by whose will: what of that time is no loss.

Two things silence a stream: the owner of its sender refuses it, and the agent at its far end does
not answer it (its owner refuses that, its port is in use, a key is missing, it is stopped or
starts). Agents tell both, with the time from which it holds, also of what is over; what they are
newly asked to answer is silent until they have confirmed that plan, or have answered. An agent that
merely is not heard tells nothing, and so what is lost towards it counts.

Windows that touch such a time are stored like all others; they are not judged.
"""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.store.records import SilenceRecord
from messages.exchange import Unanswered
from topology.model import PlannedStream

UNCONFIRMED = "plan.unconfirmed"
MARGIN_NS = 2_000_000_000  # on the way when it began; clocks that differ a little
MOST_REMEMBERED = 100_000  # rows of silences; far more than are kept
_NEVER_NS = np.iinfo(np.int64).max

Flags = NDArray[np.bool_]
Asked = tuple[str, int, str]  # address and port of a reflector, and who asks it


class StreamIndex:
    """Planned streams by their ids, and those of each agent that others ask it to answer.

    Never changes; the rows of silences are remembered as they are found.
    """

    def __init__(self, streams: Sequence[PlannedStream]) -> None:
        self.streams = streams
        self.ids = np.array([stream.stream_id for stream in streams], np.uint64)
        self._row_of = {stream.stream_id: row for row, stream in enumerate(streams)}
        self._rows: dict[str, tuple[NDArray[np.uint64], NDArray[np.int64]]] = {}
        # Rows of streams that need a reflector, by the agent at the far end and by the reflector.
        self._asking: dict[str, dict[tuple[str, int], list[int]]] = {}
        for row, stream in enumerate(streams):
            if stream.type_p.reflector_port is not None:
                reflectors = self._asking.setdefault(stream.path.destination.site, {})
                reflectors.setdefault(asked_by(stream)[:2], []).append(row)

    def rows_of(self, record: SilenceRecord) -> NDArray[np.int64]:
        """Return the rows of the planned streams that a silence is of."""
        ids, rows = self._rows.get(record.mark, (None, None))
        if rows is None or ids is not record.stream_ids:
            known = (self._row_of.get(number) for number in record.stream_ids.tolist())
            rows = np.array(sorted({row for row in known if row is not None}), np.int64)
            if len(self._rows) > MOST_REMEMBERED:
                self._rows.clear()
            self._rows[record.mark] = record.stream_ids, rows
        return rows

    def rows_asking(self, agent: str) -> list[int]:
        """Return the rows of the streams that an agent is asked to answer."""
        return list(itertools.chain(*self._asking.get(agent, {}).values()))

    def matching(self, agent: str, entry: Unanswered) -> list[int]:
        """Return the rows of the streams towards an agent that an entry speaks of."""
        rows = self._asking.get(agent, {}).get((entry.address, entry.port), [])
        if not entry.senders:
            return rows
        singles = set(entry.senders)
        prefixes = _prefixes(sender for sender in entry.senders if "/" in sender)
        senders = ((row, self.streams[row].path.source.address) for row in rows)
        return [row for row, who in senders if who in singles or _within(who, prefixes)]


@dataclass(frozen=True, slots=True)
class Silences:
    """Every silence as it was known at one moment; streams are numbered as in `index`."""

    records: Mapping[str, SilenceRecord]
    index: StreamIndex

    def over(self, index: StreamIndex) -> Silences:
        """Return the same silences over other streams."""
        return Silences(self.records, index)

    def touching(self, start_ns: int, end_ns: int) -> list[SilenceRecord]:
        """Return the silences with some time in start_ns ≤ t < end_ns."""
        return [
            record
            for record in self.records.values()
            if record.from_ns < end_ns and start_ns < _end_ns(record)
        ]

    def streams_during(self, start_ns: int, end_ns: int) -> Flags | None:
        """Return whose windows [start_ns, end_ns) do not count; None where all of them do."""
        return self._flags(
            record
            for record in self.touching(start_ns - MARGIN_NS, end_ns + MARGIN_NS)
            if record.side == "answering" and not _is_unconfirmed(record)
        )

    def unconfirmed_during(self, start_ns: int, end_ns: int) -> Flags | None:
        """Return whose windows do not count unless they were answered; None: all of them do."""
        return self._flags(filter(_is_unconfirmed, self.touching(start_ns, end_ns)))

    def are(self, stream_ids: NDArray[np.uint64]) -> Flags:
        """Return which of the planned streams are among these."""
        return np.isin(self.index.ids, stream_ids)

    def _flags(self, records: Iterable[SilenceRecord]) -> Flags | None:
        found: Flags | None = None
        for record in records:
            found = np.zeros(len(self.index.ids), np.bool_) if found is None else found
            found[self.rows_of(record)] = True
        return found

    def rows_of(self, record: SilenceRecord) -> NDArray[np.int64]:
        """Return the rows of the planned streams that a silence is of."""
        return self.index.rows_of(record)

    def unanswered_at(self, now_ns: int) -> dict[int, SilenceRecord]:
        """Return by row which streams the agent at their far end does not answer at `now_ns`."""
        found: dict[int, SilenceRecord] = {}
        for record in self.touching(now_ns, now_ns + 1):
            if record.side == "answering":
                found |= dict.fromkeys(self.rows_of(record).tolist(), record)
        return found

    def of_row(self, row: int, now_ns: int) -> SilenceRecord | None:
        """Return the silence that a stream is in at `now_ns`, None for none."""
        stream_id = self.index.ids[row]
        for record in self.touching(now_ns, now_ns + 1):
            if record.action == "refused" and stream_id in record.stream_ids:
                return record
        return None

    def ended_ns(self, since_ns: int) -> NDArray[np.int64]:
        """Return when each stream's last silence ended, if after `since_ns`; else 0."""
        ended = np.zeros(len(self.index.ids), np.int64)
        for record in self.records.values():
            if record.to_ns is not None and record.to_ns > since_ns:
                rows = self.rows_of(record)
                ended[rows] = np.maximum(ended[rows], record.to_ns)
        return ended


def asked_by(stream: PlannedStream) -> Asked:
    """Return whose reflector a stream asks, and who it is that asks."""
    path = stream.path
    return path.destination.address, stream.type_p.reflector_port or 0, path.source.address


def _is_unconfirmed(record: SilenceRecord) -> bool:
    """Return whether an agent has not said yet that it answers; once it has, it is known when."""
    return record.rule == UNCONFIRMED and record.to_ns is None


def _end_ns(record: SilenceRecord) -> int:
    return int(_NEVER_NS) if record.to_ns is None else record.to_ns


Prefixes = dict[tuple[int, int], set[int]]  # first bits by version and count of the others


def _prefixes(texts: Iterable[str]) -> Prefixes:
    """Return what prefixes begin with: whether an address is in one of 100,000 is soon known."""
    found: Prefixes = {}
    for text in texts:
        with contextlib.suppress(ValueError):
            network = ipaddress.ip_network(text, strict=False)
            rest = network.max_prefixlen - network.prefixlen
            first = int(network.network_address) >> rest
            found.setdefault((network.version, rest), set()).add(first)
    return found


def _within(sender: str, prefixes: Prefixes) -> bool:
    if not prefixes:
        return False
    address = ipaddress.ip_address(sender.partition("%")[0])
    number = int(address)
    return any(
        version == address.version and number >> rest in first
        for (version, rest), first in prefixes.items()
    )
