"""What agents report about silences, taken in one message after another.

They report streams that their owners refuse or slow, of what they do not answer, and which plan
they have confirmed; whoever is newly asked to answer is silent until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from controller.fleet.silences import UNCONFIRMED, Asked, Silences, StreamIndex, asked_by
from controller.store.records import SILENCES_KEPT, SilenceRecord
from messages.exchange import Curtailed, Plan, Unanswered

OLDEST_NS = 8 * 86_400_000_000_000  # an agent reports a week


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
            rows = [row for row in of_agent if asked_by(index.streams[row]) in new]
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
    if len(mine) > SILENCES_KEPT:
        mine.sort(key=lambda one: (one.to_ns is None, one.from_ns))
        for record in mine[: len(mine) - SILENCES_KEPT]:
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
