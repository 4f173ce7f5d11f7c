"""The TLS sockets that strangers reach: places are given before the handshake, time is bounded.

While the strangers' places are taken (`connections`) nothing is accepted: who comes waits in the
kernel's queue, which moves as fast as strangers are cut. So every caller comes to its handshake,
and has the time for it, whatever crowd is before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Sequence

from aiohttp import web

from controller.api.gate import agent_of
from controller.api.server.connections import Connection, Connections, network_of

HANDSHAKE_S = 10.0
FIRST_REQUEST_S = 15.0  # from the accepting to the first request that is admitted
IDLE_S = 75.0  # between two requests, and for the head of the next
GOODBYE_S = 5.0  # for the other end to confirm the end of TLS
STALLED_S = 60.0  # for the other end to take something of what is sent to it
QUEUE = 1024  # connections that the kernel keeps for us
PAUSE_S = 0.2  # after an error of accept
TOLD_EVERY_S = 60.0

logger = logging.getLogger("isochrone.controller")


async def bind(host: str, port: int) -> list[socket.socket]:
    """Return listening sockets for all addresses of a host. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    with contextlib.ExitStack() as opened_so_far:
        bound = []
        for family, address in dict.fromkeys((entry[0], entry[4]) for entry in found):
            listener = socket.create_server(address, family=family, backlog=QUEUE)
            opened_so_far.callback(listener.close)
            listener.setblocking(False)
            bound.append(listener)
        opened_so_far.pop_all()
        return bound


class TlsListener:
    """Accepts connections for a runner's server, which speaks HTTP over them."""

    def __init__(self, tls: ssl.SSLContext, connections: Connections) -> None:
        self._tls = tls
        self._connections = connections
        self._told_s = -TOLD_EVERY_S

    async def run(self, server: web.Server, listeners: Sequence[socket.socket]) -> None:
        """Serve for ever on listening sockets."""
        async with asyncio.TaskGroup() as tasks:
            for listener in listeners:
                tasks.create_task(self._accept(server, listener, tasks), name="accepting")

    async def _accept(
        self, server: web.Server, listener: socket.socket, tasks: asyncio.TaskGroup
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0)  # whoever else has something to do, before one more is here
            try:
                sock, address = await loop.sock_accept(listener)
            except ConnectionAbortedError:
                continue  # who came has gone already
            except OSError as error:  # no descriptor, no memory
                self._tell(error)
                await asyncio.sleep(PAUSE_S)
                continue
            try:
                if not await self._has_place(sock):
                    sock.close()
                    continue
            except BaseException:
                sock.close()
                raise
            self._begin(server, Connection(sock, network_of(address[0]), loop.time()), tasks)

    def _begin(self, server: web.Server, connection: Connection, tasks: asyncio.TaskGroup) -> None:
        with contextlib.suppress(OSError):  # it has gone already: its first read tells
            connection.sock.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(STALLED_S * 1e3)
            )
        self._connections.add(connection)
        connection.timer = asyncio.get_running_loop().call_later(
            FIRST_REQUEST_S, self._connections.end, connection, "silent"
        )
        task = tasks.create_task(self._shake_hands(server, connection), name="handshake")
        task.add_done_callback(lambda _: None if connection.handshake else connection.cut())

    async def _has_place(self, sock: socket.socket) -> bool:
        """Wait until a stranger has a place; False where no descriptor is left for strangers."""
        loop, connections = asyncio.get_running_loop(), self._connections
        while (wait_s := connections.wait_s(sock, loop.time())) != 0:
            if wait_s is None:
                connections.tell("descriptors")
                return False
            await asyncio.sleep(min(wait_s, PAUSE_S))
        return True

    async def _shake_hands(self, server: web.Server, connection: Connection) -> None:
        if connection.is_cut:
            return
        connection.handshake = asyncio.current_task()
        try:
            connection.transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                server,
                connection.sock,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=GOODBYE_S,
            )
        except OSError:
            return  # the other end's fault, or our having no patience with it
        except Exception:
            logger.exception("a connection cannot be begun")
            connection.sock.close()
            return
        if connection.kind != "stranger":
            return  # its first request was as fast
        certificate = connection.transport.get_extra_info("peercert")
        agent = agent_of(certificate) if certificate else None
        if agent is not None and not self._connections.identify(connection, "agent", agent.name):
            self._connections.end(connection, "share")

    def _tell(self, error: OSError) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - self._told_s >= TOLD_EVERY_S:
            self._told_s = now_s
            logger.warning("no connection can be accepted, tried again and again: %s", error)
