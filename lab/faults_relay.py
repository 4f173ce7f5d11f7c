"""A link that can be cut: `python -m lab.faults_relay LISTEN TO`, both unix sockets.

SIGUSR1 cuts: what is said is swallowed and nobody is told, as on a broken line. SIGUSR2 mends: what
was open is closed, and new connections are carried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys

_PIECE_BYTES = 65_536


class Relay:
    """Carries connections from one unix socket to another."""

    def __init__(self, to: str) -> None:
        self._to = to
        self._is_cut = False
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Swallow everything from now on."""
        self._is_cut = True

    def mend(self) -> None:
        """Close what was open; carry what comes."""
        self._is_cut = False
        for writer in self._open:
            writer.close()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side ends it."""
        self._open.add(writer)
        with contextlib.suppress(OSError):
            there = await asyncio.open_unix_connection(self._to)
            self._open.add(there[1])
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, there[1]), name="out")
                group.create_task(self._pump(there[0], writer), name="back")
            self._open.discard(there[1])
        self._open.discard(writer)
        writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(_PIECE_BYTES):
                if not self._is_cut:
                    writer.write(piece)
                    await writer.drain()
        writer.close()


async def serve(listen: str, to: str) -> None:
    """Carry for ever."""
    relay = Relay(to)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, relay.cut)
    loop.add_signal_handler(signal.SIGUSR2, relay.mend)
    server = await asyncio.start_unix_server(relay.accept, listen)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2]))
