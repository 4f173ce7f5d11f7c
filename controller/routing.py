"""One declaration per route, from which both the server and the OpenAPI document are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from aiohttp import web

from controller.access import Access
from controller.answers import ApiError
from controller.state import ControllerState
from probes.text import Text

PREFIX = "/api/v1"
MAX_PAGE = 10_000
STATE: web.AppKey[ControllerState] = web.AppKey("state", ControllerState)

Query = TypeVar("Query")


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

    `role` is the least that may use it (controller.access): ``anyone`` only for health and for
    enrolment, ``agent`` for what the agent `{name}` of the address alone may do. `body` is the
    content type of the request's body; `websocket` routes answer 101 and then speak `messages`.
    """

    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    role: Access
    summary: str
    answer: Any
    query: type[msgspec.Struct] = NoQuery
    body: str | None = None
    websocket: bool = False
    messages: tuple[Any, ...] = ()
    errors: tuple[int, ...] = ()


def query_of(request: web.Request, kind: type[Query]) -> Query:
    """Return the request's parameters as `kind`. Raises ApiError naming the one that is wrong."""
    try:
        return msgspec.convert(dict(request.query), kind, strict=False)
    except msgspec.ValidationError as error:
        raise ApiError(
            400,
            "bad_query",
            Text(
                f"A parameter of this request is wrong: {error}.",
                f"请求参数有误：{error}。",
            ),
        ) from error


def required(value: str | None, name: str) -> str:
    """Return a parameter that may not be absent. Raises ApiError."""
    if value is None:
        raise ApiError(
            400,
            "missing_parameter",
            Text(f"The parameter `{name}` is missing.", f"缺少参数 {name}。"),
            parameter=name,
        )
    return value
