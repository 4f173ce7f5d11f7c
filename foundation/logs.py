"""How agent and controller log: one line per record, for people or as JSON for machines."""

from __future__ import annotations

import datetime
import logging
from typing import Any, Literal

import msgspec

from foundation.text import plain

LogFormat = Literal["text", "json"]


class JsonLines(logging.Formatter):
    """One JSON object per line: time (UTC), level, logger, message, fields, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return plain(msgspec.json.encode(line, enc_hook=str).decode())


class PlainLines(logging.Formatter):
    """One line per record, for people; a traceback has its own lines.

    What others wrote may be in a message: it neither steers a terminal nor begins a line that
    looks like one of ours.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own word
        """Return the record's line."""
        return plain(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own word
        """Return the traceback."""
        return plain(super().formatException(ei), lines=True)


def log_to_stderr(form: LogFormat, level: int) -> None:
    """Let every logger of this process write to standard error."""
    handler = logging.StreamHandler()
    text = PlainLines("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(JsonLines() if form == "json" else text)
    logging.basicConfig(level=level, handlers=[handler])
