"""The aiohttp application: every declared route, one error shape, sockets closed at the end."""

from __future__ import annotations

from aiohttp import WSCloseCode, web

from controller.api.error_answers import (
    bodies_as_they_are,
    errors_in_one_shape,
    refuse_expectations,
)
from controller.api.http_answers import add_browser_rules, compress_for_networks
from controller.api.limits import Limits, places_of_callers
from controller.api.routes import ROUTES
from controller.api.routing import SERVED
from controller.api.services import READINGS, SERVICES, SOCKETS, Services
from messages.exchange import MAX_CHUNK_BYTES

UNLIMITED = ("/healthz", "/readyz")


def make_app(services: Services) -> web.Application:
    """Return the application that serves `services`."""
    gate, limits = services.gate, Limits(services.callers)
    app = web.Application(
        middlewares=[
            compress_for_networks,
            errors_in_one_shape,
            bodies_as_they_are,
            gate.middleware,
            places_of_callers(services.connections),
            limits.middleware,
        ],
        client_max_size=MAX_CHUNK_BYTES + 1,
    )
    app[READINGS], app[SERVICES], app[SERVED] = services.readings, services, ROUTES
    app[SOCKETS] = set()
    for route in ROUTES:
        served = app.router.add_route(
            route.method, route.path, route.handler, expect_handler=refuse_expectations
        )
        gate.guard(served, route)
        if route.role == "agent" or route.path in UNLIMITED:
            limits.exempt(served)
        if route.websocket or route.lasting:
            limits.lasts(served)
    app.on_response_prepare.append(add_browser_rules)
    app.on_shutdown.append(_close_sockets)
    return app


async def _close_sockets(app: web.Application) -> None:
    sockets = app[SOCKETS]
    for socket in list(sockets):
        await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the controller stops")
