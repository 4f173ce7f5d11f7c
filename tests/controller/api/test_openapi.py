from typing import Any

import msgspec
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from controller.api.openapi import openapi_document
from controller.api.routes import ROUTES


def test_document_is_valid_openapi_3_1() -> None:
    validate(openapi_document(ROUTES, "1"), cls=OpenAPIV31SpecValidator)


async def test_document_holds_every_route_that_is_served(controller: Any) -> None:
    document = await controller.get("/api/v1/openapi.json")
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    from controller.api.application import make_app

    served = {
        (route.method, route.resource.canonical)
        for route in make_app(controller.services).router.routes()
        if route.resource is not None
    }
    assert described == served


def test_answers_refer_to_declared_schemas() -> None:
    document = openapi_document(ROUTES, "1")
    text = msgspec.json.encode(document).decode()
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(document["components"]["schemas"])
    assert "VerdictPage" in names


def test_no_reader_of_json_that_keeps_numbers_as_float64_can_change_an_id() -> None:
    schemas = openapi_document(ROUTES, "1")["components"]["schemas"]
    ids = [
        (f"{schema}.{name}", kind)
        for schema, given in schemas.items()
        for name, kind in given.get("properties", {}).items()
        if name in ("id", "serial", "boot") or name.endswith("_id")
    ]
    assert {"StreamDocument.stream_id", "SeriesStream.stream_id", "StreamSpec.stream_id"} <= {
        name for name, _ in ids
    }
    for name, kind in ids:
        most = kind.get("maximum", kind.get("exclusiveMaximum"))
        assert kind["type"] == "string" or (most is not None and most <= 1 << 53), name


async def test_ids_of_streams_are_texts_as_in_exports(controller: Any) -> None:
    known = {str(stream.stream_id) for stream in controller.services.rounds.scope.streams}
    streams = (await controller.get("/api/v1/streams"))["items"]
    paths = (await controller.get("/api/v1/paths"))["items"]
    assert {one["stream_id"] for one in streams} <= known
    assert {one["stream_id"] for path in paths for one in path["streams"]} <= known
    series = await controller.get(f"/api/v1/series?path={paths[0]['id']}")
    assert {one["stream_id"] for one in series["streams"]} <= known
