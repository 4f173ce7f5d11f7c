"""The API on its addresses: unix sockets for who may open them, TLS for everybody else.

What the log says of requests that are no HTTP: a line a minute, however many come. Anyone who
reaches the port may send them, and the server's own word is a traceback for each.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
import os
import pathlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import replace

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from controller.api.server.addresses import Listen
from controller.api.server.connections import Connections
from controller.api.server.listening import IDLE_S, TlsListener, bind
from foundation.errors import ResourceError, RightsError
from foundation.private_files import FILE_MODE
from foundation.reasons import reason_of
from foundation.text import counted, excerpt

logger = logging.getLogger("isochrone.controller")

SHUTDOWN_S = 5.0
MALFORMED_EVERY_S = 60.0


@contextlib.asynccontextmanager
async def served_on(
    app: web.Application,
    listens: Sequence[Listen],
    context: ssl.SSLContext | None,
    connections: Connections,
) -> AsyncIterator[Callable[[], Coroutine[None, None, None]]]:
    """Serve `app` on these addresses; what is yielded admits who comes over TCP, for ever.

    `context` is what TCP listeners speak. Raises ResourceError or RightsError where an address is
    not to be had.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=http_logger,
        shutdown_timeout=SHUTDOWN_S,
        auto_decompress=False,
        keepalive_timeout=IDLE_S,
    )
    await runner.setup()
    bound: list[socket.socket] = []
    try:
        for listen in listens:
            opened = await _start(runner, listen)
            bound += opened
            logger.info("listening on %s", _listening_on(listen, opened))
        yield functools.partial(_accept, runner, context, connections, bound)
    finally:
        for listener in bound:
            listener.close()
        await runner.cleanup()


async def _accept(
    runner: web.AppRunner,
    context: ssl.SSLContext | None,
    connections: Connections,
    bound: Sequence[socket.socket],
) -> None:
    if context is not None and runner.server is not None:
        await TlsListener(context, connections).run(runner.server, bound)


async def _start(runner: web.AppRunner, listen: Listen) -> list[socket.socket]:
    """Listen. The sockets of TCP are returned: they have a loop of accepting of their own."""
    try:
        if listen.unix is None:
            return await bind(listen.host, listen.port)
        _remove_stale(listen.unix)
        await web.SockSite(runner, _bound(listen.unix)).start()
        return []
    except OSError as error:
        raise _cannot_listen(listen, error) from error


def _bound(path: pathlib.Path) -> socket.socket:
    """Return a socket bound to `path`, which from its first moment is its owner's alone.

    Who may open it may do everything. Linux gives the file what the socket may before it is bound;
    the umask is the whole process's, and threads make files meanwhile.
    """
    bound = socket.socket(socket.AF_UNIX)
    try:
        os.fchmod(bound.fileno(), FILE_MODE)
        bound.bind(str(path))
        path.chmod(FILE_MODE)  # whatever the umask took
    except OSError:
        bound.close()
        raise
    return bound


def _listening_on(listen: Listen, opened: Sequence[socket.socket]) -> str:
    """Return where is listened: with the port that the kernel chose."""
    return str(replace(listen, port=opened[0].getsockname()[1]) if opened else listen)


def _remove_stale(path: pathlib.Path) -> None:
    """Remove a socket file that nobody listens on; one that answers is in use."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _cannot_listen(listen: Listen, error: OSError) -> ResourceError | RightsError:
    if error.errno == errno.EADDRINUSE:
        return ResourceError(
            f"{listen} is in use by another process; stop it or choose another address with "
            "--listen.",
            f"{listen} 已被其他进程占用；请停止该进程，或用 --listen 选择其他地址。",
            listen=str(listen),
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return RightsError(
            f"This user may not listen on {listen}; choose a port above 1023 or another directory.",
            f"当前用户无权监听 {listen}；请选择 1023 以上的端口或其他目录。",
            listen=str(listen),
        )
    reason = reason_of(error)
    if listen.unix is not None:
        return ResourceError(
            f"Cannot listen on {listen} ({reason.en}); create its directory, or choose another.",
            f"无法监听 {listen}（{reason.zh}）；请创建该目录或换一个目录。",
            listen=str(listen),
        )
    return ResourceError(
        f"Cannot listen on {listen} ({reason.en}); choose an address of this machine.",
        f"无法监听 {listen}（{reason.zh}）；请选择本机的地址。",
        listen=str(listen),
    )


class MalformedRequests(logging.Filter):
    """Lets a record about a malformed request pass once in a while, as one line."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now_s = now_s
        self._told_s = -MALFORMED_EVERY_S
        self._untold = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged; what is no malformed request always is."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if not isinstance(error, HttpProcessingError | web.RequestPayloadError):
            return True
        if self._now_s() - self._told_s < MALFORMED_EVERY_S:
            self._untold += 1
            return False
        more = f" ({counted(self._untold, 'other')} since the last such line)"
        said = excerpt(getattr(error, "message", str(error)).strip(), 120)
        record.msg = "a malformed request was refused: %s%s"
        record.args = (said, more if self._untold else "")
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        self._told_s, self._untold = self._now_s(), 0
        return True


http_logger = logging.getLogger("isochrone.controller.http")
http_logger.addFilter(MalformedRequests())
