"""What is read comes from readings alone; services are for what changes something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

import pytest

from controller.api.routes import ROUTES
from controller.api.routing import Route

READING = [route for route in ROUTES if route.method == "GET" and not route.websocket]
CHANGING = [route for route in ROUTES if route.method != "GET"]


def names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_in(constant)


def names_used(handler: Callable[..., Any]) -> set[str]:
    """Return the global names that a handler uses, itself or through functions of its module."""
    todo, seen, used = [handler], set(), set()
    while todo:
        function = todo.pop()
        if function in seen or not isinstance(function, FunctionType):
            continue
        seen.add(function)
        used |= (names := set(names_in(function.__code__)))
        found = (function.__globals__.get(name) for name in names)
        todo += [
            one
            for one in found
            if isinstance(one, FunctionType) and one.__module__ == handler.__module__
        ]
    return used


@pytest.mark.parametrize("route", READING, ids=lambda route: route.path)
def test_whatever_is_read_is_made_of_a_snapshot_or_of_the_archive(route: Route) -> None:
    assert "SERVICES" not in names_used(route.handler)


def test_changes_go_to_their_services() -> None:
    assert all("SERVICES" in names_used(route.handler) for route in CHANGING)
