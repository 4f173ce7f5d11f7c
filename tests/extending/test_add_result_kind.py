"""A kind of result is a section, an intake and an export: it travels like windows from then on.

The kind of this test counts the routers on the way of streams. Nothing but its three registrations
tells the product of it.
"""

from __future__ import annotations

import asyncio
import csv
import io
import pathlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.channel.claim import Claim
from agent.channel.link import open_session
from agent.channel.uplink import Uplink
from agent.conditions import Conditions
from agent.spool.counts import count_of
from agent.spool.spooler import Spooler
from controller.export.kinds import EXPORTED, of_sections
from controller.export.rows import Column, Streams
from controller.ingest.intakes import Intake, Planned, not_now, register_intake, unregister_intake
from controller.store.records import StoredChunk
from foundation.text import Text
from messages.columns import (
    Budget,
    ColumnReader,
    ColumnWriter,
    WireColumn,
    malformed,
    read_struct,
)
from messages.sections.kind import Payload, SectionKind, Span
from messages.sections.registry import register, unregister
from messages.sections.windows import WINDOWS
from tests.controller.conftest import (  # noqa: F401 -- fixtures
    Controller,
    batch_of,
    clock,
    controller,
    open_controller,
    site_file,
)

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Routes:
    """How many routers streams met in one span: stream_id uint64[n], routers int64[n]."""

    span: Span
    stream_id: NDArray[np.uint64]
    routers: NDArray[np.int64]


class _Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    columns: dict[str, WireColumn]


class RoutesSection(SectionKind[Routes]):
    """The section: two columns."""

    name = "routes"
    number = 6
    version = 1

    def span(self, content: Routes) -> Span:
        return content.span

    def count(self, content: Routes) -> int:
        return len(content.stream_id)

    def gather(self, parts: Sequence[Routes]) -> Iterator[Routes]:
        yield Routes(
            parts[0].span,
            np.concatenate([part.stream_id for part in parts]),
            np.concatenate([part.routers for part in parts]),
        )

    def pack(self, content: Routes) -> Payload:
        writer = ColumnWriter()
        writer.integers("stream_id", content.stream_id)
        writer.integers("routers", content.routers)
        return Payload(msgspec.msgpack.encode(_Wire(writer.columns)), writer.expanded_bytes)

    def unpack(self, octets: bytes, count: int, span: Span, budget: Budget) -> Routes:
        wire = read_struct(msgspec.msgpack.Decoder(_Wire), octets)
        reader = ColumnReader(wire.columns, budget)
        stream_id = reader.integers("stream_id", count).view(np.uint64)
        routers = reader.integers("routers", count, low=0, high=255)
        reader.finish()
        if count == 0:
            raise malformed("no routes at all", "没有路由")
        return Routes(span, stream_id, routers)


class RoutesIntake(Intake[Routes]):
    """The check: routes of planned streams alone."""

    async def check(self, agent: str, content: Routes, planned: Planned) -> None:
        if planned.foreign(agent, content.stream_id):
            raise not_now("foreign_streams", Text("Not planned.", "未计划。"))


COLUMNS = (
    Column(name="start_ns", kind="integer", meaning="Begin"),
    Column(name="path", kind="text", meaning="Path"),
    Column(name="routers", kind="integer", meaning="Routers on the way"),
)


def rows_of(chunk: StoredChunk, content: Routes, streams: Streams) -> dict[str, NDArray[Any]]:
    """The export: one row per stream."""
    wanted = [i for i, n in enumerate(content.stream_id.tolist()) if n in streams.records]
    paths = [streams.texts_of(int(content.stream_id[i]))["path"] for i in wanted]
    return {
        "start_ns": np.full(len(wanted), chunk.start_ns),
        "path": np.array(paths, object),
        "routers": content.routers[wanted],
    }


ROUTES = RoutesSection()
INTAKE = RoutesIntake(ROUTES)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    register(ROUTES)
    register_intake(INTAKE)
    monkeypatch.setitem(EXPORTED, ROUTES.name, of_sections(ROUTES, COLUMNS, rows_of))
    yield
    unregister_intake(INTAKE)
    unregister(ROUTES)


class Agent:
    """The spool of an agent, and its uplink to a controller."""

    def __init__(self, directory: pathlib.Path, controller_socket: pathlib.Path) -> None:
        self.spooler = Spooler(directory / "s", agent="nanjing", max_bytes=1 << 20, max_age_s=1e6)
        self.conditions = Conditions()
        self._url = f"unix:{controller_socket}"

    async def deliver(self) -> None:
        """Hand in what waits, once."""
        session, base = open_session(self._url)
        async with session:
            url = f"{base}/api/v1/agents/nanjing/chunks"
            await self._do(self.spooler.do_flush)
            await self._do(self.spooler.offers.hurry)
            await Uplink(session, url, self.spooler, self.conditions, Claim()).round()

    async def totals(self) -> Any:
        return (await self._do(self.spooler.do_state)).totals

    async def _do(self, function: Any) -> Any:
        return await asyncio.wrap_future(self.spooler.call(function))


@pytest.fixture
def agent(tmp_path: pathlib.Path) -> Iterator[Agent]:
    made = Agent(tmp_path, tmp_path / "api.sock")
    yield made
    made.spooler.close()


def streams_of(served: Controller) -> list[int]:
    return [
        s.stream_id for s in served.services.rounds.scope.streams if s.path.source.site == "nanjing"
    ]


def measure(agent: Agent, served: Controller, ids: Sequence[int]) -> Span:
    """Let an agent make a window and a route of each stream."""
    span = Span(served.services.clock.wall_ns() - 20 * SECOND, 10 * SECOND)
    routes = Routes(span, np.array(ids, np.uint64), np.arange(len(ids)) + 3)
    windows = batch_of(list(ids), span.start_ns)
    for kind, content in ((WINDOWS, windows), (ROUTES, routes)):
        agent.spooler.sent_counters.add(kind, kind.count(content))
        agent.spooler.add(kind, content, 1)
    agent.spooler.sent_counters.sent_place[0] += WINDOWS.probes(windows)
    return span


async def test_a_new_kind_travels_from_a_spool_to_an_export(
    registered: None,
    controller: Controller,  # noqa: F811 -- the fixture
    agent: Agent,
) -> None:
    ids = streams_of(controller)[:2]
    span = measure(agent, controller, ids)
    await agent.deliver()
    totals = await agent.totals()
    made = count_of(probes=20, windows=2, routes=2)
    assert (totals.made, totals.waiting, totals.dropped) == (made.of, {}, ())
    health = await controller.get("/api/v1/health")
    assert health["ingest"]["results"] == {"windows": 2, "routes": 2}
    agents = (await controller.get("/api/v1/agents"))["items"]
    stored = {one["name"]: one["results_stored"] for one in agents}
    assert stored["nanjing"] == {"windows": 2, "routes": 2}
    rows = await exported(controller, span)
    assert [int(row["routers"]) for row in rows] == [3, 4]
    assert {int(row["start_ns"]) for row in rows} == {span.start_ns}
    assert all(">" in row["path"] for row in rows)


async def exported(served: Controller, span: Span, more: str = "") -> list[dict[str, str]]:
    query = f"from_ns={span.start_ns}&to_ns={span.end_ns}&format=csv&kind=routes{more}"
    async with served.session.get(f"http://controller/api/v1/export?{query}") as answer:
        assert answer.status == 200, await answer.text()
        return list(csv.DictReader(io.StringIO(await answer.text())))


async def test_a_controller_that_does_not_know_a_kind_holds_up_nothing_and_loses_nothing(
    registered: None,
    controller: Controller,  # noqa: F811 -- the fixture
    agent: Agent,
) -> None:
    """As while agents are upgraded before their controller."""
    span = measure(agent, controller, streams_of(controller)[:2])
    unregister_intake(INTAKE)
    try:
        await agent.deliver()
        totals = await agent.totals()
        assert (totals.waiting, totals.dropped) == ({"routes": 2}, ())  # windows continued
        (told,) = agent.conditions.current()
        assert (told.code, "routes" in told.text.en) == ("chunks_later", True)
        assert controller.services.ingest.refused == {"unknown_section": 1}
    finally:
        register_intake(INTAKE)
    await agent.deliver()
    assert (await agent.totals()).waiting == {}
    assert len(await exported(controller, span)) == 2


async def test_a_new_kind_has_no_levels_and_another_has_no_rows(
    registered: None,
    controller: Controller,  # noqa: F811 -- the fixture
) -> None:
    address = "/api/v1/export?from_ns=0&to_ns=1&format=csv"
    said = await controller.get(f"{address}&kind=routes&level=hour", 400)
    assert said["error"]["code"] == "no_levels"
    said = await controller.get(f"{address}&kind=nothing", 404)
    assert "windows, routes" in said["error"]["message"]["en"]
