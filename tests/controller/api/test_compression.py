"""Long JSON answers are compressed for those far away."""

from typing import Any

import aiohttp
from aiohttp import web

from controller.api.application import make_app


async def test_long_answers_are_compressed_for_those_who_accept_it(measured: Any) -> None:
    path = "/api/v1/openapi.json"
    token = measured.services.access.create_api_token("viewer", "x", None)
    runner = web.AppRunner(make_app(measured.services))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
            async with session.get(url, headers={"Accept-Encoding": "gzip"}) as answer:
                assert answer.headers["Content-Encoding"] == "gzip"
                body = await answer.read()
            async with session.get(url, headers={"Accept-Encoding": "identity"}) as answer:
                assert "Content-Encoding" not in answer.headers
                assert await answer.read() == body
    finally:
        await runner.cleanup()
    # On this machine's own socket it would only take time.
    async with measured.session.get(f"http://controller{path}") as answer:
        assert "Content-Encoding" not in answer.headers
