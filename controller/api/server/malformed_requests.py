"""What the log says of requests that are no HTTP: a line a minute, however many come.

Anyone who reaches the port may send them, and the server's own word is a traceback for each.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from foundation.text import counted, excerpt

EVERY_S = 60.0


class MalformedRequests(logging.Filter):
    """Lets a record about a malformed request pass once in a while, as one line."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now_s = now_s
        self._told_s = -EVERY_S
        self._untold = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged; what is no malformed request always is."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if not isinstance(error, HttpProcessingError | web.RequestPayloadError):
            return True
        if self._now_s() - self._told_s < EVERY_S:
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
