"""What is read comes from readings alone; services are for what changes something."""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

import pytest

from controller.api.routes import ROUTES
from controller.api.routing import Route

# What a stranger is told before it trusts us, and how we answer at all, are no state.
READING = [
    route
    for route in ROUTES
    if route.method == "GET" and not route.websocket and route.role != "anyone"
]
CHANGING = [route for route in ROUTES if route.method != "GET"]


def globals_of(code: CodeType) -> Iterator[str]:
    yield from (one.argval for one in dis.get_instructions(code) if one.opname == "LOAD_GLOBAL")
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from globals_of(constant)


def names_used(handler: Callable[..., Any]) -> set[str]:
    """Return the global names that a handler uses, itself or through functions of its module."""
    todo, seen, used = [handler], set(), set()
    while todo:
        function = todo.pop()
        if function in seen or not isinstance(function, FunctionType):
            continue
        seen.add(function)
        used |= (names := set(globals_of(function.__code__)))
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
