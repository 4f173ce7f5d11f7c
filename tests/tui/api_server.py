"""A real HTTP server that answers with fixture documents in the API's shapes; runs on its own too.

``python tests/tui/api_server.py`` says its port and serves until stopped, for the tests in a real
terminal.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

sys.path.insert(0, str(Path(__file__).parent))
from fleet_fixture import fleet_documents
from page_fixture import target_page, window_documents

LISTS = ("sites", "agents", "targets", "groups", "paths", "verdicts")


class FixtureApi:
    """Holds the documents; tests change them and tell the listeners."""

    def __init__(self, documents: dict[str, Any] | None = None) -> None:
        self.documents = documents if documents is not None else fleet_documents()
        self.asked: list[str] = []
        self.refusal: dict[str, Any] | None = None  # an error that every route answers
        self.listeners: list[web.WebSocketResponse] = []
        self.page_items = 1000
        self.windows_may_go = asyncio.Event()  # a slow store: cleared, windows are held back
        self.windows_may_go.set()

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/api/v1/events", self._events)
        app.router.add_get("/api/v1/{route}", self._answer)
        app.router.add_get("/api/v1/{kind}/{name}/{what}", self._page_of_target)
        return app

    async def announce(self, revision: int) -> None:
        for listener in self.listeners:
            await listener.send_json({"type": "verdicts", "revision": revision})

    async def _events(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.listeners.append(socket)
        await socket.send_json({"type": "hello", "revision": 0})
        async for _ in socket:
            pass
        self.listeners.remove(socket)
        return socket

    async def _answer(self, request: web.Request) -> web.Response:
        route = request.match_info["route"]
        self.asked.append(route)
        if self.refusal is not None:
            return web.json_response(self.refusal, status=503)
        if route == "windows":
            await self.windows_may_go.wait()
            return self._page(request, self._windows(request))
        if route in LISTS:
            return self._page(request, self.documents[route])
        if route in self.documents:
            return web.json_response(self.documents[route])
        text = {"en": f"No route {route}.", "zh": f"没有 {route} 路由。"}
        error = {"code": "not_found", "message": text, "fields": {}}
        return web.json_response({"error": error}, status=404)

    async def _page_of_target(self, request: web.Request) -> web.Response:
        what, name = request.match_info["what"], request.match_info["name"]
        pairs = request.match_info["kind"] == "groups"
        return web.json_response(target_page(name, pairs=pairs)[what])

    def _windows(self, request: web.Request) -> list[dict[str, Any]]:
        paths = {path["id"]: path for path in self.documents["paths"]}
        path = paths.get(request.query["path"])
        protocol = request.query.get("protocol", "udp")
        figures = path and path["figures"].get(protocol)
        if not figures:
            return []
        from_ns, to_ns = int(request.query["from_ns"]), int(request.query["to_ns"])
        return window_documents(figures["rtt_p50_ns"], from_ns, to_ns, protocol)

    def _page(self, request: web.Request, items: list[Any]) -> web.Response:
        start = int(request.query.get("after", 0))
        size = min(int(request.query.get("limit", 1000)), self.page_items)
        end = start + size
        following = str(end) if end < len(items) else None
        return web.json_response({"items": items[start:end], "next": following})


if __name__ == "__main__":
    # The port is the kernel's choice and told once it is ours: whoever tried to connect before
    # might by chance be given that very port, and speak with himself.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sys.stdout.write(f"{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        web.run_app(FixtureApi().application(), sock=listening, print=None)
