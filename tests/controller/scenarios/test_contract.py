"""The served API holds what its OpenAPI document says, tried with generated requests.

Bounded and the same every time. A longer run by hand:
`ISOCHRONE_CONTRACT_EXAMPLES=300 pytest tests/controller/scenarios/test_contract.py`.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, Phase, given, settings, strategies
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from controller.api.application import make_app
from controller.api.openapi import openapi_document
from controller.api.routes import ROUTES
from controller.serving.assembly import open_services
from controller.settings import Settings
from foundation.clock import SystemClock
from messages.exchange import CHUNK_CONTENT_TYPE
from topology.site_file import load_network

EXAMPLES = int(os.environ.get("ISOCHRONE_CONTRACT_EXAMPLES", "5"))
# No schema can say which cursors, names and chunks there are, so a valid one may be refused.
LEFT_OUT = [positive_data_acceptance]

schemathesis.openapi.media_type(CHUNK_CONTENT_TYPE, strategies.binary(max_size=200))


def cases() -> Iterator[tuple[str, str, GenerationMode]]:
    """Yield every operation with valid requests, and with broken ones where any part can break."""
    for route in ROUTES:
        if route.websocket:
            continue
        yield route.method, route.path, GenerationMode.POSITIVE
        if route.role not in ("anyone", "agent") or route.request is not None:
            yield route.method, route.path, GenerationMode.NEGATIVE


@dataclass(frozen=True)
class Served:
    """A controller on a loopback port, and the token of an admin."""

    url: str
    token: str


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory,
    sites_text: str,
    batch_of: Callable[..., Any],
    chunk_of: Callable[..., bytes],
) -> Iterator[Served]:
    """Serve a controller that measured something, from its own thread: its client blocks."""
    directory = tmp_path_factory.mktemp("contract")
    (directory / "trial.toml").write_text(sites_text, encoding="utf-8")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="contract-server")
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(120)

    limits = Settings(requests_per_s=1e6, request_burst=1_000_000)
    network = load_network(directory / "trial.toml")
    state = open_services(network, directory / "data", limits, SystemClock())
    runner = web.AppRunner(make_app(state))

    async def start() -> int:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ids = [s.stream_id for s in state.rounds.scope.streams if s.path.source.site == "nanjing"]
        for i, lost in enumerate((0, 3, 10)):
            batch = batch_of(ids, state.clock.wall_ns() - (4 - i) * 10_000_000_000, lost=lost)
            body = chunk_of(batch, agent="nanjing", sequence=i)
            await state.ingest.accept("nanjing", body)
            await state.rounds.make()
        return int(runner.addresses[0][1])

    try:
        port = run(start())
        token = state.access.create_api_token("admin", "contract", None)
        yield Served(f"http://127.0.0.1:{port}", token)
    finally:
        run(runner.cleanup())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        state.close()


@pytest.fixture(scope="module")
def document(served: Served) -> Any:
    found = schemathesis.openapi.from_dict(openapi_document(ROUTES, "1"))
    found.config.update(base_url=served.url)
    return found


@pytest.mark.parametrize(("method", "path", "mode"), cases())
def test_answers_are_as_the_document_says(
    served: Served, document: Any, method: str, path: str, mode: GenerationMode
) -> None:
    operation = document[path][method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    def try_it(case: Any) -> None:
        case.call_and_validate(
            headers={"Authorization": f"Bearer {served.token}"}, excluded_checks=LEFT_OUT
        )

    try_it()
