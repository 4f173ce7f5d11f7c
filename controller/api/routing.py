"""One declaration per route, for the server and the OpenAPI document; how requests are read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from aiohttp import web

from controller.access.roles import Access
from controller.api.error_answers import ApiError
from controller.domain_errors import TooLargeError
from controller.ingest.uploads import slow_body
from foundation.json_document import decode_json
from foundation.text import Text, excerpt
from messages.exchange import MAX_CHUNK_BYTES

PREFIX = "/api/v1"
JSON_TYPE = "application/json"
MAX_PAGE = 10_000
DOCUMENT_S = 15.0  # for the whole of a body that is no chunk
# Raises ApiError 401 where the credential of a request that was admitted has ended since.
CHECK: web.RequestKey[Callable[[], None]] = web.RequestKey("check")

Query = TypeVar("Query", bound=msgspec.Struct)
Body = TypeVar("Body", bound=msgspec.Struct)


class NoQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A route without parameters."""


class PageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of a list."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE, description="At most so many items.")] = (
        1000
    )
    after: Annotated[
        str | None, msgspec.Meta(description="The cursor `next` of the page before.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A served address: `query` and `answer` are the declarations the document is made from.

    `role` is the least that may use it (controller.access.roles): ``anyone`` only for health and
    for enrolment, ``agent`` for what the agent `{name}` of the address alone may do. `body` is the
    content type of a binary body, `request` the declaration of a JSON body; `status` is that of
    success, `media` the content types of its answer. `websocket` routes answer 101 and then speak
    `messages`. `lasting` ones continue while their answer is being read.
    """

    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    role: Access
    summary: str
    answer: Any
    query: type[msgspec.Struct] = NoQuery
    body: str | None = None
    request: type[msgspec.Struct] | None = None
    status: int = 200
    media: tuple[str, ...] = ("application/json",)
    websocket: bool = False
    lasting: bool = False
    messages: tuple[Any, ...] = ()
    errors: tuple[int, ...] = ()


SERVED: web.AppKey[Sequence[Route]] = web.AppKey("served")


def query_of(request: web.Request, kind: type[Query]) -> Query:
    """Return the request's parameters as `kind`. Raises ApiError naming the one that is wrong."""
    times = Counter(name for name, _ in request.query.items())
    repeated = next((name for name in times if times[name] > 1), None)
    if repeated is not None:
        raise ApiError(
            400,
            "repeated_parameter",
            Text(
                f"The parameter `{excerpt(repeated)}` is given twice; give it once.",
                f"参数 {excerpt(repeated)} 重复出现；只能给出一个。",
            ),
            parameter=excerpt(repeated),
        )
    for field in msgspec.structs.fields(kind):
        if field.required and field.encode_name not in request.query:
            raise ApiError(
                400,
                "missing_parameter",
                Text(
                    f"The parameter `{field.encode_name}` is missing.",
                    f"缺少参数 {field.encode_name}。",
                ),
                parameter=field.encode_name,
            )
    try:
        return msgspec.convert(dict(request.query), kind, strict=False)
    except msgspec.ValidationError as error:
        raise ApiError(
            400,
            "bad_query",
            Text(
                f"A parameter of this request is wrong: {excerpt(str(error))}.",
                f"请求参数有误：{excerpt(str(error))}。",
            ),
        ) from error


async def body_of(request: web.Request, kind: type[Body]) -> Body:
    """Return the request's JSON body as `kind`. Raises ApiError saying what is wrong with it."""
    if request.content_type != JSON_TYPE:
        raise ApiError(
            415,
            "wrong_content_type",
            Text(
                f"Send the body with Content-Type {JSON_TYPE}.",
                f"请求体的 Content-Type 应为 {JSON_TYPE}。",
            ),
            content_type=request.content_type,
        )
    try:
        return decode_json(await read_document(request), kind)
    except msgspec.DecodeError as error:
        raise ApiError(
            400,
            "bad_body",
            Text(
                f"The body of this request is wrong: {excerpt(str(error))}.",
                f"请求体有误：{excerpt(str(error))}。",
            ),
        ) from error


async def read_document(request: web.Request, most_bytes: int = MAX_CHUNK_BYTES) -> bytes:
    """Return the body of a request that is no chunk.

    Raises ApiError 401, TooSlowError or TooLargeError. It may take its time, in which the
    credential it came with can end.
    """
    try:
        async with asyncio.timeout(DOCUMENT_S):
            body = await read_whole(request, most_bytes)
    except TimeoutError as error:
        raise slow_body(DOCUMENT_S) from error
    if CHECK in request:
        request[CHECK]()
    return body


async def read_whole(
    request: web.Request, most_bytes: int, on_bytes: Callable[[int], None] = lambda _: None
) -> bytes:
    """Return a body; `on_bytes` hears of each piece.

    Raises TooLargeError, RequestPayloadError where it breaks off.
    """
    pieces, size = [], 0
    try:
        async for piece in request.content.iter_any():
            on_bytes(len(piece))
            pieces.append(piece)
            size += len(piece)
            if size > most_bytes:
                raise TooLargeError(
                    "oversized",
                    Text(
                        f"The body is larger than {most_bytes} bytes.",
                        f"请求体超过 {most_bytes} 字节。",
                    ),
                )
    except ConnectionError as error:
        raise web.RequestPayloadError("the connection ended before the body") from error
    return b"".join(pieces)
