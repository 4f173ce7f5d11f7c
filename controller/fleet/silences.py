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
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from controller.store.silences import MOST_OF_ONE_AGENT, SilenceRecord
from messages.exchange import Curtailed, Plan, Unanswered
from topology.model import PlannedStream

UNCONFIRMED = "plan.unconfirmed"
MARGIN_NS = 2_000_000_000  # on the way when it began; clocks that differ a little
MOST_REMEMBERED = 100_000  # rows of silences; far more than are kept
OLDEST_NS = 8 * 86_400_000_000_000  # an agent tells of a week
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
                reflectors.setdefault(_asked_by(stream)[:2], []).append(row)

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


class SilenceRegistry:
    """Takes in what agents say of silences. On the event loop alone.

    `now` is replaced whenever something is learnt, and never changes itself.
    """

    def __init__(self, records: Iterable[SilenceRecord], index: StreamIndex) -> None:
        self.now = Silences({record.mark: record for record in records}, index)

    def use(self, index: StreamIndex) -> None:
        """Number streams by another plan from now on."""
        self.now = self.now.over(index)

    def heard(
        self, agent: str, said: Curtailed, now_ns: int, ahead_ns: int = 0
    ) -> list[SilenceRecord]:
        """Take in what an agent says; return the records that changed.

        `ahead_ns`: by how much its clock is ahead of ours.
        """
        changed = self._confirmed(agent, said.plan_version, now_ns)
        changed += self._refused(agent, said, now_ns)
        present = set()
        for entry in said.unanswered:
            mark = f"{agent}|{entry.address}|{entry.port}|{entry.rule}|{entry.from_ns}"
            present.add(mark)
            record = self._told(agent, mark, entry, now_ns, ahead_ns)
            if record is not None:
                changed.append(record)
        for record in self._open_of(agent, "answering"):
            if record.mark not in present and record.rule != UNCONFIRMED:
                changed.append(replace(record, to_ns=max(now_ns, record.from_ns)))
        self.put(changed)
        return changed

    def requested_again(
        self,
        asked: Mapping[str, set[Asked]],
        plans: Mapping[str, Plan],
        now_ns: int,
        index: StreamIndex | None = None,
    ) -> list[SilenceRecord]:
        """Note what agents have to answer from now on and have not confirmed; the new records.

        `index`: the streams of these plans, where they are not those of now.
        """
        index = index or self.now.index
        made = []
        for agent, new in asked.items():
            of_agent = index.rows_asking(agent)
            rows = [row for row in of_agent if _asked_by(index.streams[row]) in new]
            if rows:
                made.append(
                    SilenceRecord(
                        mark=f"{agent}|plan|{plans[agent].version}",
                        agent=agent,
                        side="answering",
                        rule=UNCONFIRMED,
                        from_ns=now_ns,
                        stream_ids=index.ids[rows],
                    )
                )
        self.put(made)
        return made

    def _confirmed(self, agent: str, version: int, now_ns: int) -> list[SilenceRecord]:
        return [
            replace(record, to_ns=max(now_ns, record.from_ns))
            for record in self._open_of(agent, "answering")
            if record.rule == UNCONFIRMED and int(record.mark.rpartition("|")[2]) <= version
        ]

    def _refused(self, agent: str, said: Curtailed, now_ns: int) -> list[SilenceRecord]:
        """Take in which of its own streams an agent's owner refuses or slows, by rule."""
        interval_ms = {stream.stream_id: stream.interval_ms for stream in self.now.index.streams}
        wanted: dict[tuple[str, str, float], list[int]] = {}
        for one in said.streams:
            asked_ms = interval_ms.get(one.stream_id)
            if asked_ms is not None:
                share = 0.0
                if one.action == "throttled":  # what is not slower than planned takes nothing
                    share = min(1.0, round(asked_ms / (one.interval_ms or asked_ms), 6))
                wanted.setdefault((one.rule, one.action, share), []).append(one.stream_id)
        changed = []
        for record in self._open_of(agent, "sending"):
            ids = wanted.get((record.rule, record.action, record.share))
            if ids is not None and set(ids) == set(record.stream_ids.tolist()):
                del wanted[record.rule, record.action, record.share]
            else:
                changed.append(replace(record, to_ns=max(now_ns, record.from_ns)))
        for (rule, action, share), ids in wanted.items():
            changed.append(
                SilenceRecord(
                    mark=f"{agent}|sending|{rule}|{action}|{share}|{now_ns}",
                    agent=agent,
                    side="sending",
                    rule=rule,
                    action="throttled" if action == "throttled" else "refused",
                    share=share,
                    from_ns=now_ns,
                    stream_ids=np.array(ids, np.uint64),
                )
            )
        return changed

    def _told(
        self, agent: str, mark: str, entry: Unanswered, now_ns: int, ahead_ns: int
    ) -> SilenceRecord | None:
        """Return what one entry of an agent changes, None for nothing."""
        known = self.now.records.get(mark)
        to_ns = None if entry.to_ns is None else min(entry.to_ns - ahead_ns, now_ns)
        if known is not None:
            if known.to_ns is not None or to_ns is None:
                return None
            return replace(known, to_ns=max(to_ns, known.from_ns))
        from_ns = min(entry.from_ns - ahead_ns, now_ns)
        rows = self.now.index.matching(agent, entry)
        if from_ns < now_ns - OLDEST_NS or not rows:
            return None
        return SilenceRecord(
            mark=mark,
            agent=agent,
            side="answering",
            rule=entry.rule,
            from_ns=from_ns,
            to_ns=None if to_ns is None else max(to_ns, from_ns),
            stream_ids=self.now.index.ids[rows],
        )

    def _open_of(self, agent: str, side: str) -> list[SilenceRecord]:
        return [
            record
            for record in self.now.records.values()
            if record.to_ns is None and record.agent == agent and record.side == side
        ]

    def put(self, records: Iterable[SilenceRecord]) -> None:
        """Keep records, each in the place of the one of its mark."""
        fresh = {record.mark: record for record in records}
        if not fresh:
            return
        kept = {**self.now.records, **fresh}
        for agent in {record.agent for record in fresh.values()}:
            _shorten(kept, agent)
        self.now = replace(self.now, records=kept)

    def forget(self) -> None:
        """Forget all silences, where there is no agent that could end one."""
        self.now = replace(self.now, records={})


def _shorten(records: dict[str, SilenceRecord], agent: str) -> None:
    """Forget the oldest of an agent's silences beyond its share, ended ones first."""
    mine = [record for record in records.values() if record.agent == agent]
    if len(mine) > MOST_OF_ONE_AGENT:
        mine.sort(key=lambda one: (one.to_ns is None, one.from_ns))
        for record in mine[: len(mine) - MOST_OF_ONE_AGENT]:
            del records[record.mark]


def asked_of(plan: Plan) -> set[Asked]:
    """Return whom a plan asks its agent to answer, and where."""
    return {(spec.address, spec.port, peer) for spec in plan.reflectors for peer in spec.peers}


def newly_requested(before: Mapping[str, Plan], after: Mapping[str, Plan]) -> dict[str, set[Asked]]:
    """Return what each agent has to answer now and had not before."""
    return {
        name: asked_of(plan) - (asked_of(before[name]) if name in before else set())
        for name, plan in after.items()
        if name not in before or before[name].version != plan.version
    }


def _asked_by(stream: PlannedStream) -> Asked:
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
