"""The campaigns as the controller knows them now, and the streams that each asks for.

Also what a person should know of one that its figures do not say.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.campaigns.request import CampaignRequest, existing_part, problems_of, streams_of
from controller.store.records import CampaignRecord
from foundation.errors import ConfigError
from foundation.text import Text, counted
from topology.mesh import merged_plans
from topology.model import PlannedStream
from topology.network import Network

logger = logging.getLogger("isochrone.controller")
NOT_THERE = Text(
    "The site file no longer has what it names: nothing is measured or reported for it.",
    "站点文件已不含其指定的内容：没有为其进行测量，也没有结果可报告。",
)
LATE_NS = 10_000_000_000  # a beginning or an end is punctual up to a round of judging


class CampaignRegistry:
    """Every campaign that is kept, by name, oldest first. On the event loop alone.

    `records` is replaced when one changes, and never changes itself. `told` is set when somebody
    created or cancelled one; `changing` is held by whoever changes one.
    """

    def __init__(self, records: Iterable[CampaignRecord]) -> None:
        self.records = {record.name: record for record in records}
        self.told = asyncio.Event()
        self.changing = asyncio.Lock()
        self.planning = asyncio.Lock()  # of requests, which takes its time
        self.unreportable: set[int] = set()  # whose report failed in this life
        self._streams: dict[int, tuple[PlannedStream, ...]] = {}

    def use(self, records: Iterable[CampaignRecord]) -> None:
        """Take these for all that there are."""
        self.records = {record.name: record for record in records}
        kept = {record.id for record in self.records.values()}
        self._streams = {number: found for number, found in self._streams.items() if number in kept}

    def put(self, record: CampaignRecord) -> None:
        """Take in what became of one."""
        self.records = {**self.records, record.name: record}

    def running(self, now_ns: int) -> list[CampaignRecord]:
        """Return those whose streams belong into the plan at `now_ns`."""
        return [
            record
            for record in self.records.values()
            if record.state == "running" and now_ns < record.to_ns
        ]

    def overlapping(self, from_ns: int, to_ns: int) -> list[CampaignRecord]:
        """Return those that are or will be measured at some time in from_ns ≤ t < to_ns."""
        return [
            record
            for record in self.records.values()
            if not record.is_over and record.from_ns < to_ns and from_ns < record.to_ns
        ]

    def edge_ns(self) -> int | None:
        """Return when the next one is due to begin or to end, None if none is."""
        edges = [
            record.from_ns if record.state == "scheduled" else record.to_ns
            for record in self.records.values()
            if not record.is_over
        ]
        return min(edges, default=None)

    def streams_of(self, network: Network, record: CampaignRecord) -> tuple[PlannedStream, ...]:
        """Return the streams that a campaign asks for; what the network no longer has is left out.

        Planned once in the life of a controller.
        """
        known = self._streams.get(record.id)
        if known is None:
            request = existing_part(network, request_of(record))
            try:
                problems_of(network, request).raise_if_any()
                known = streams_of(network, request)
            except ConfigError as error:
                logger.error("campaign %s is not measured any more: %s", record.name, error)
                known = ()
            self._streams[record.id] = known
        return known

    def plan_with(
        self,
        network: Network,
        permanent: tuple[PlannedStream, ...],
        running: Iterable[CampaignRecord],
    ) -> tuple[PlannedStream, ...]:
        """Return what is to be planned: the permanent streams, then what campaigns add."""
        planned = permanent
        for record in running:
            try:
                planned = merged_plans(planned, self.streams_of(network, record))
            except ConfigError as error:  # the site file has changed since it was created
                logger.error("campaign %s is not measured: %s", record.name, error)
        return planned

    def planned_ns(self, streams: Sequence[PlannedStream], permanent: int) -> NDArray[np.int64]:
        """Return since when each stream is planned, 0 for the first `permanent` ones, int64[n].

        Of several campaigns that ask for a stream the first one that runs counts.
        """
        since: dict[int, int] = {}
        for record in self.records.values():
            if record.state == "running" and record.begun_ns is not None:
                for stream in self._streams.get(record.id, ()):
                    known = since.get(stream.stream_id, record.begun_ns)
                    since[stream.stream_id] = min(known, record.begun_ns)
        added = [since.get(stream.stream_id, 0) for stream in streams[permanent:]]
        return np.array([0] * min(permanent, len(streams)) + added, np.int64)


def request_of(record: CampaignRecord) -> CampaignRequest:
    """Return what was asked for a campaign."""
    return msgspec.json.decode(record.request, type=CampaignRequest)


def missed_ns(record: CampaignRecord) -> int:
    """Return how much of the beginning was not measured, all of it where it never began."""
    if record.begun_ns is not None:
        return max(0, record.begun_ns - record.from_ns)
    return max(0, min(record.ended_ns, record.to_ns) - record.from_ns) if record.ended_ns else 0


def notes_of(record: CampaignRecord, there: int) -> tuple[Text, ...]:
    """Return sentences on what was not as asked; `there`: of how many streams the network is."""
    notes = []
    if not there:
        notes.append(NOT_THERE)
    elif there < record.streams:
        notes.append(
            Text(
                f"Of {counted(record.streams, 'stream')} that it asked for {there} are left: the "
                "site file no longer has the others, which are not reported here.",
                f"所请求的 {record.streams} 条测量流中仅剩 {there} 条：站点文件已不含其余测量流，"
                "此处不含其任何结果。",
            )
        )
    if record.state == "ended" and record.begun_ns is None:
        notes.append(
            Text(
                "The controller was down for the whole campaign: nothing was measured.",
                "专项测量期间控制器一直未运行：没有为其进行任何测量。",
            )
        )
    elif record.begun_ns is not None and missed_ns(record) > LATE_NS:
        seconds = missed_ns(record) / 1e9
        notes.append(
            Text(
                f"The controller was down at the beginning: the first {seconds:.0f} s were not "
                "measured.",
                f"开始时控制器未运行：最初 {seconds:.0f} 秒没有测量。",
            )
        )
    if record.ended_by is not None and record.ended_ns is not None and record.begun_ns is not None:
        seconds = (record.to_ns - record.ended_ns) / 1e9
        notes.append(
            Text(
                f"It was cancelled {seconds:.0f} s before its end by {record.ended_by}.",
                f"该专项测量由 {record.ended_by} 提前 {seconds:.0f} 秒取消。",
            )
        )
    if record.refused or record.throttled:
        refused, throttled = record.refused or 0, record.throttled or 0
        notes.append(
            Text(
                f"Of {counted(record.streams, 'stream')} the owners of agents refused {refused} "
                "and slowed "
                f"{throttled}.",
                f"共 {record.streams} 条测量流，其中 {refused} 条被探针所有者拒绝，{throttled} 条"
                "被限速。",
            )
        )
    return tuple(notes)
