"""The campaigns as the controller knows them at this moment, and the streams each asks for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.campaigns.demand import existing_part, problems_of, streams_of
from controller.campaigns.request import CampaignRequest
from controller.store.records import CampaignRecord
from foundation.errors import ConfigError
from topology.mesh import united
from topology.model import PlannedStream
from topology.network import Network

logger = logging.getLogger("isochrone.controller")


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

    def united(
        self,
        network: Network,
        permanent: tuple[PlannedStream, ...],
        running: Iterable[CampaignRecord],
    ) -> tuple[PlannedStream, ...]:
        """Return what is to be planned: the permanent streams, then what campaigns add."""
        planned = permanent
        for record in running:
            try:
                planned = united(planned, self.streams_of(network, record))
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
