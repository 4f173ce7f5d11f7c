"""Signals: a stop is for ever; a hang-up starts afresh, unless the file has a mistake."""

import asyncio
import logging
import pathlib
import signal

import pytest

from controller.serving.reload import Signals


async def test_a_hang_up_gives_the_network_as_the_file_says_it_now(
    site_file: pathlib.Path, sites_text: str
) -> None:
    signals = Signals(site_file)
    signals.listen()
    _write(site_file, sites_text.replace('name = "trial"', 'name = "again"'))
    signal.raise_signal(signal.SIGHUP)
    async with asyncio.timeout(60):
        network = await signals.wait()
    assert network is not None
    assert (network.name, signals.stopping) == ("again", False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_ends_the_waiting_without_a_network(
    site_file: pathlib.Path, number: signal.Signals
) -> None:
    signals = Signals(site_file)
    signals.listen()
    signal.raise_signal(number)
    async with asyncio.timeout(60):
        assert await signals.wait() is None
    assert signals.stopping


class Stop(logging.Handler):
    """Stops the process as soon as something is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        signal.raise_signal(signal.SIGTERM)


async def test_a_file_with_a_mistake_changes_nothing_and_is_told(
    site_file: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    signals = Signals(site_file)
    signals.listen()
    _write(site_file, "[network]\ncolour = 5\n")
    stop, logger = Stop(), logging.getLogger("isochrone.controller")
    logger.addHandler(stop)
    try:
        signal.raise_signal(signal.SIGHUP)
        async with asyncio.timeout(60):
            assert await signals.wait() is None
    finally:
        logger.removeHandler(stop)
    assert "previous site file" in caplog.text


def _write(path: pathlib.Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
