"""SIGHUP: the controller starts afresh, in order, with the site file as it is now.

What it is asked to measure and judge is put together once, so a new site file is a new beginning
inside the same process: deliveries that are being written are finished, agents keep their windows
for the moment and come back by themselves. A file with a mistake changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import pathlib
import signal

from foundation.errors import IsochroneError
from foundation.text import Text, language_of_environment
from topology.network import Network
from topology.site_file import load_network

logger = logging.getLogger("isochrone.controller")


class Signals:
    """What the process was told to do: to stop for ever, or to start afresh with the file
    `sites`.
    """

    def __init__(self, sites: pathlib.Path) -> None:
        self._sites = sites
        self._told = asyncio.Event()
        self.stopping = False

    def listen(self) -> None:
        """Let SIGTERM and SIGINT stop, SIGHUP start afresh."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        loop.add_signal_handler(signal.SIGINT, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._told.set)

    def _stop(self) -> None:
        self.stopping = True
        self._told.set()

    async def wait(self) -> Network | None:
        """Return the network to start afresh with; None to stop."""
        while True:
            await self._told.wait()
            self._told.clear()
            if self.stopping:
                return None
            try:
                return await asyncio.to_thread(load_network, self._sites)
            except IsochroneError as error:
                logger.error("%s", _kept(error.text).pick(language_of_environment()))


def _kept(problem: Text) -> Text:
    return Text(
        f"{problem.en} The controller keeps using the previous site file.",
        f"{problem.zh}控制器仍沿用先前的站点文件。",
    )
