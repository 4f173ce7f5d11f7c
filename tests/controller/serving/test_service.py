import asyncio
import gc
import pathlib
import signal
from typing import Any

from controller.api.server.addresses import Listen
from controller.api.services import Services
from controller.serving.assembly import open_services
from controller.serving.service import serve, serve_on
from controller.settings import Settings
from controller.supervision.housekeeping import LOOP
from tests.controller.store.stored_chunks import chunk_of_batch
from topology.site_file import load_network


async def test_what_is_there_from_the_start_is_not_searched_for_garbage_while_it_serves(
    site_file: pathlib.Path, tmp_path: pathlib.Path, clock: Any
) -> None:
    set_aside = []

    def look_and_stop() -> None:
        set_aside.append(gc.get_freeze_count())
        signal.raise_signal(signal.SIGTERM)

    def opened(network: Any) -> Services:
        asyncio.get_running_loop().call_soon(look_and_stop)
        return open_services(network, tmp_path / "life", Settings(), clock)

    await serve_on(site_file, opened, [Listen(unix=tmp_path / "api.sock")])
    assert set_aside[0] > 1_000
    assert gc.get_freeze_count() == 0


async def test_what_serves_forgets_nothing_while_its_clock_is_not_known_to_be_right(
    site_file: pathlib.Path, tmp_path: pathlib.Path, clock: Any, batch_of: Any, chunk_of: Any
) -> None:
    """No agent has been heard yet, so nothing carries out what the clock says."""
    state = open_services(load_network(site_file), tmp_path / "life", Settings(), clock)
    old = batch_of([5], clock.now_ns - 400 * 86_400 * 10**9)
    payload = chunk_of(old, agent="nanjing", sequence=1)
    chunk = chunk_of_batch(old, payload, sequence=1)
    state.store.windows.put_chunk(chunk).result()

    loops = state.watchdog._loops

    async def house_was_kept() -> None:
        async with asyncio.timeout(60):
            while LOOP not in loops or not loops[LOOP].rounds:  # noqa: ASYNC110 (a thread's work)
                await asyncio.sleep(0.01)

    await serve(state, [Listen(unix=tmp_path / "api.sock")], house_was_kept)
    assert len(list(state.store.windows.chunks_since(0))) == 1
    state.close()
