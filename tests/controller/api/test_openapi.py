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
        for route in make_app(controller.state).router.routes()
        if route.resource is not None
    }
    assert described == served


def test_answers_refer_to_declared_schemas() -> None:
    document = openapi_document(ROUTES, "1")
    text = msgspec.json.encode(document).decode()
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(document["components"]["schemas"])
    assert "VerdictPage" in names
