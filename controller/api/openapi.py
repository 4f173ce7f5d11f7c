"""The OpenAPI 3.1 document, made from the declarations of the routes and their structs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from controller.access.roles import Access
from controller.api.routing import JSON_TYPE, NoQuery, Route
from controller.documents.values import ErrorDocument

_SECURITY_SCHEMES = {
    "apiToken": {
        "type": "http",
        "scheme": "bearer",
        "description": (
            "A token of `isochrone controller token create`. x-role is the least role: viewer, "
            "operator, admin. The owner of the controller's unix socket needs none."
        ),
    },
    "agentCertificate": {
        "type": "mutualTLS",
        "description": "The certificate of the agent that the address names.",
    },
}
_REFERENCES = "#/components/schemas/{name}"


def openapi_document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """Return the document that describes `routes`."""
    kinds = [ErrorDocument, *(route.answer for route in routes)]
    kinds += [message for route in routes for message in route.messages]
    kinds += [route.request for route in routes if route.request is not None]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCES)
    schema_of = dict(zip((id(kind) for kind in kinds), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = _operation(route, schema_of[id(route.answer)], schema_of[id(ErrorDocument)])
        if route.request is not None:
            operation["requestBody"] = _body(JSON_TYPE, schema_of[id(route.request)])
        if route.messages:
            operation["x-messages"] = [schema_of[id(message)] for message in route.messages]
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Isochrone controller",
            "version": version,
            "description": (
                "Times are nanoseconds since 1970-01-01 UTC, delays nanoseconds, ratios 0-1; what "
                "is unknown is null."
            ),
        },
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECURITY_SCHEMES},
    }
    # Through JSON and back: defaults that are tuples or structs become what JSON has.
    return msgspec.json.decode(msgspec.json.encode(document), type=dict[str, Any])


def _operation(route: Route, answer: dict[str, Any], error: dict[str, Any]) -> dict[str, Any]:
    refusals = () if route.role == "anyone" else (401, 403)
    limited = () if route.role in ("anyone", "agent") else (429,)
    bad_query = () if route.query is NoQuery else (400,)
    slow_body = (408,) if route.body is not None or route.request is not None else ()
    statuses = sorted({*bad_query, *refusals, *limited, *slow_body, *route.errors})
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "x-role": route.role,
        "security": _security(route.role),
        "parameters": [*_in_path(route.path), *_in_query(route.query)],
        "responses": {
            **_answered(route, answer),
            **{str(status): _json(HTTPStatus(status).phrase, error) for status in statuses},
            "default": _json("An error.", error),
        },
    }
    if route.body is not None:
        binary = {"type": "string", "contentMediaType": route.body}
        operation["requestBody"] = _body(route.body, binary)
    return operation


def _body(content_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {content_type: {"schema": schema}}}


def _security(access: Access) -> list[dict[str, Any]]:
    """Return what is to be shown. The owner of the unix socket needs nothing else."""
    if access == "anyone":
        return []
    return [{"agentCertificate": []}] if access == "agent" else [{"apiToken": []}]


def _answered(route: Route, answer: dict[str, Any]) -> dict[str, Any]:
    if route.websocket:
        return {"101": {"description": "The WebSocket is open; see x-messages."}}
    if route.media == (JSON_TYPE,):
        return {str(route.status): _json("The answer.", answer)}
    contents = {media: {"schema": answer} for media in route.media}
    return {str(route.status): {"description": "The answer.", "content": contents}}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _in_path(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _in_query(kind: type[msgspec.Struct]) -> list[dict[str, Any]]:
    schema = msgspec.json.schema_components([kind])[1][kind.__name__]
    properties, needed = schema["properties"], schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in needed,
            "description": str(given.get("description", "")),
            "schema": _without_null(given),
        }
        for name, given in properties.items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter's schema without null, which no address can say: it is left out there."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    kept = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return kept | dict(kinds[0])
