import asyncio
import gc
import os
import pathlib
import re
import signal
import stat
from typing import Any

import pytest

from controller.access.certificate_authority import create_authority
from controller.api.server.addresses import Listen, parse_listen
from controller.api.services import Services
from controller.serving.assembly import open_services
from controller.serving.service import serve, serve_on
from controller.settings import Settings
from controller.store.records import StoredChunk
from controller.supervision.housekeeping import LOOP
from foundation.clock import SystemClock
from foundation.errors import ConfigError
from topology.site_file import load_network


@pytest.mark.parametrize(
    "text", ["127.0.0.1:8780", "[::1]:8780", "example.net:1", "unix:/run/isochrone.sock"]
)
def test_addresses_are_understood(text: str) -> None:
    assert str(parse_listen(text)) == text


@pytest.mark.parametrize("text", ["8780", "unix:", "127.0.0.1:99999", "127.0.0.1:http", ":80", ""])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not understood"):
        parse_listen(text)


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


async def test_the_log_says_at_which_port_the_kernel_lets_it_listen(
    site_file: pathlib.Path, tmp_path: pathlib.Path, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "life"
    create_authority(data, ["localhost"], SystemClock())

    def opened(network: Any) -> Services:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGTERM)
        return open_services(network, data, Settings(), clock)

    listens = [parse_listen("127.0.0.1:0"), Listen(unix=tmp_path / "api.sock")]
    with caplog.at_level("INFO", logger="isochrone.controller"):
        await serve_on(site_file, opened, listens)
    told = [message for message in caplog.messages if message.startswith("listening on ")]
    assert re.fullmatch(r"listening on 127\.0\.0\.1:[1-9][0-9]*", told[0])
    assert told[1] == f"listening on unix:{tmp_path / 'api.sock'}"


async def test_the_socket_is_its_owners_alone_from_its_first_moment_and_no_umask_changes(
    site_file: pathlib.Path, tmp_path: pathlib.Path, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "api.sock"
    modes = []

    def opened(network: Any) -> Services:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGTERM)
        state = open_services(network, tmp_path / "life", Settings(), clock)
        monkeypatch.setattr(os, "umask", None)  # the whole process's, and other threads make files
        monkeypatch.setattr(pathlib.Path, "chmod", lambda path, _mode: modes.append(path.stat()))
        return state

    before = os.umask(0)
    try:
        await serve_on(site_file, opened, [Listen(unix=place)])
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert [stat.filemode(found.st_mode) for found in modes] == ["srw-------"]


async def test_what_serves_forgets_nothing_while_its_clock_is_not_known_to_be_right(
    site_file: pathlib.Path, tmp_path: pathlib.Path, clock: Any, batch_of: Any, chunk_of: Any
) -> None:
    """No agent has been heard yet, so nothing carries out what the clock says."""
    state = open_services(load_network(site_file), tmp_path / "life", Settings(), clock)
    old = batch_of([5], clock.now_ns - 400 * 86_400 * 10**9)
    payload = chunk_of(old, agent="nanjing", sequence=1)
    chunk = StoredChunk(
        agent="nanjing", boot="b0", sequence=1, plan_version=1, start_ns=old.start_ns,
        duration_ns=old.duration_ns, counts={"windows": old.rows}, received_ns=old.start_ns,
        payload=payload,
    )  # fmt: skip
    state.store.windows.put_chunk(chunk).result()

    loops = state.watchdog._loops

    async def house_was_kept() -> None:
        async with asyncio.timeout(60):
            while LOOP not in loops or not loops[LOOP].rounds:  # noqa: ASYNC110 (a thread's work)
                await asyncio.sleep(0.01)

    await serve(state, [Listen(unix=tmp_path / "api.sock")], house_was_kept)
    assert len(list(state.store.windows.chunks_since(0))) == 1
    state.close()
