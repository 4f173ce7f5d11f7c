import asyncio
import gc
import pathlib
import signal
from typing import Any

import pytest

from controller.service import Listen, parse_listen, serve_on
from controller.state import ControllerState, Settings, open_state
from probes.errors import ConfigError


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

    def opened(network: Any) -> ControllerState:
        asyncio.get_running_loop().call_soon(look_and_stop)
        return open_state(network, tmp_path / "life", Settings(), clock)

    await serve_on(site_file, opened, [Listen(unix=tmp_path / "api.sock")])
    assert set_aside[0] > 1_000
    assert gc.get_freeze_count() == 0
