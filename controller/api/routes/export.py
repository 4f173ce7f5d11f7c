"""The hand-over: windows or rollups as a file, streamed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec
from aiohttp import web

from controller.api.error_answers import ApiError
from controller.api.http_answers import download
from controller.api.limits import RunningByCaller, caller_of
from controller.api.lookup import number_of, recorded_on
from controller.api.routing import PREFIX, Route, query_of
from controller.api.services import READINGS
from controller.documents.values import Protocol
from controller.export.formats import MEDIA, Format, encoder_of
from controller.export.kinds import EXPORTED, Exported, Selection, joined_tables
from controller.export.rows import Streams
from controller.live.snapshot import Snapshot
from controller.store.levels import LevelName
from controller.store.records import StreamRecord
from foundation.condition import Word
from foundation.errors import ConfigError
from foundation.number_types import Instant
from foundation.text import Text
from messages.sections.windows import WINDOWS
from topology.model import Path
from topology.network import Network

logger = logging.getLogger("isochrone.controller")

MAX_AT_ONCE = 3
MAX_OF_ONE = 2  # credential: nobody keeps the others from exporting
PIECE_S = 120.0  # for whoever asked to take a piece
RETRY_S = 30
LONGEST_NS = 3700 * 86_400_000_000_000


class ExportQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to export and as what."""

    from_ns: Annotated[Instant, msgspec.Meta(description="First start, included.")]
    to_ns: Annotated[Instant, msgspec.Meta(description="Last start, excluded.")]
    format: Annotated[Format, msgspec.Meta(description="File format.")]
    kind: Annotated[Word, msgspec.Meta(description="Kind of result.")] = "windows"
    level: Annotated[LevelName, msgspec.Meta(description="Period that a row covers.")] = "window"
    path: Annotated[str | None, msgspec.Meta(description="Of one path.")] = None
    site: Annotated[str | None, msgspec.Meta(description="Of paths from or to a site.")] = None
    protocol: Annotated[Protocol | None, msgspec.Meta(description="Of one protocol.")] = None


async def export(request: web.Request) -> web.StreamResponse:
    """Send the file; where the store fails in the middle, the connection ends without its end."""
    query, readings = query_of(request, ExportQuery), request.app[READINGS]
    now = readings.snapshots.now()
    wanted = Selection(
        streams=tuple(_streams(now, query)),
        from_ns=query.from_ns,
        to_ns=query.to_ns,
        level=query.level,
    )
    if not query.from_ns <= query.to_ns <= query.from_ns + LONGEST_NS:
        text = Text(
            "Write `from_ns` before `to_ns`, ten years apart at most.",
            "from_ns 须早于 to_ns，且相隔不超过十年。",
        )
        raise ApiError(400, "bad_period", text)
    kind = _exported(query)
    try:
        encode = encoder_of(query.format, kind.columns)
    except ConfigError as error:
        raise ApiError(501, "no_parquet", error.text) from error
    caller, running = caller_of(request), readings.exports
    _refuse_more(running, caller)
    streams = Streams(
        records={record.stream_id: record for record in wanted.streams},
        paths=_paths(now.scope.network, wanted.streams),
    )
    tables = joined_tables(kind.tables(readings.archive, streams, wanted))
    with running.one_more(caller):
        return await _send(request, query, encode(tables))


def _exported(query: ExportQuery) -> Exported:
    """Return the kind of result that the query names. Raises ApiError for one that is not there."""
    kind = EXPORTED.get(query.kind)
    if kind is None:
        raise ApiError(
            404,
            "unknown_kind",
            Text(
                f"There are no results of kind {query.kind}; there are: {', '.join(EXPORTED)}.",
                f"没有名为 {query.kind} 的结果类型；现有：{'、'.join(EXPORTED)}。",
            ),
            kind=query.kind,
        )
    if query.level != "window" and not kind.levels:
        text = Text(
            f"Results of kind {query.kind} are not merged; leave out `level`.",
            f"{query.kind} 类结果不作汇总；请去掉 level。",
        )
        raise ApiError(400, "no_levels", text)
    return kind


def _refuse_more(running: RunningByCaller, caller: str) -> None:
    """Raise ApiError 429 where as many exports run as may, in all or of one credential."""
    if running.total() >= MAX_AT_ONCE:
        text = Text(
            f"{MAX_AT_ONCE} exports are running already; try again later.",
            f"已有 {MAX_AT_ONCE} 个导出正在进行，请稍后重试。",
        )
    elif running[caller] >= MAX_OF_ONE:
        text = Text(
            f"{MAX_OF_ONE} exports of this credential are running already; wait for one to end.",
            f"该凭据已有 {MAX_OF_ONE} 个导出正在进行；请等待其中之一结束。",
        )
    else:
        return
    raise ApiError(429, "too_many_exports", text, retry_after_s=RETRY_S)


async def _send(
    request: web.Request, query: ExportQuery, pieces: Iterator[bytes]
) -> web.StreamResponse:
    """Send piece after piece; the next one is made when the last one is on its way."""
    # Made before the answer begins: a store that fails at once still answers 503.
    first = await asyncio.to_thread(_next_of, pieces)
    what = query.level if query.kind == WINDOWS.name else query.kind
    name = f"isochrone-{what}-{query.from_ns}-{query.to_ns}.{query.format}"
    answer = web.StreamResponse(
        headers={
            "Content-Type": MEDIA[query.format],
            "Content-Disposition": download(name),
        }
    )
    if query.format != "parquet":  # which is compressed in itself
        answer.enable_compression()
    await answer.prepare(request)
    piece = first
    try:
        while piece:
            async with asyncio.timeout(PIECE_S):
                await answer.write(piece)
            piece = await asyncio.to_thread(_next_of, pieces)
    except (ConnectionError, asyncio.CancelledError):
        raise
    except TimeoutError:
        logger.warning("an export was ended: its reader took nothing within %.0f s", PIECE_S)
        if request.transport is not None:
            request.transport.abort()
        return answer
    except Exception:  # it is too late for another status: the torn answer says that it failed
        logger.exception("an export failed in the middle")
        if request.transport is not None:
            request.transport.abort()
        return answer
    await answer.write_eof()
    return answer


def _next_of(pieces: Iterator[bytes]) -> bytes:
    """Return the next piece that is not empty, b"" at the end."""
    return next((piece for piece in pieces if piece), b"")


def _streams(now: Snapshot, query: ExportQuery) -> list[StreamRecord]:
    """Return the streams that the query names. Raises ApiError for names that do not exist."""
    recorded = now.scope.catalogue.recorded
    if query.path is not None:
        found = recorded_on(now, query.path, query.protocol)
    else:
        found = [
            record
            for records in recorded.values()
            for record in records
            if query.protocol in (None, record.protocol)
        ]
    if query.site is None:
        return found
    number_of(now.scope.catalogue.site_number, query.site, "site")
    near = {
        name
        for name, path in _paths(now.scope.network, found).items()
        if query.site in (path.source.site, path.destination.site)
    }
    return [record for record in found if record.path in near]


def _paths(network: Network, records: Iterable[StreamRecord]) -> dict[str, Path]:
    """Return the paths of streams, planned or not, whose ends the site file still names."""
    ends = {each.id: each for site in network.sites.values() for each in site.interfaces}
    found: dict[str, Path] = {}
    for name in dict.fromkeys(record.path for record in records):
        source, destination = (ends.get(end) for end in name.split(">"))
        if source is not None and destination is not None:
            found[name] = Path(source=source, destination=destination)
    return found


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/export",
        handler=export,
        lasting=True,
        role="viewer",
        summary="Windows or rollups as CSV, JSON lines or Parquet.",
        answer=str,
        media=tuple(MEDIA.values()),
        query=ExportQuery,
        errors=(404, 501, 503),
    ),
)
