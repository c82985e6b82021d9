"""Logging on standard error: lines for people, or one JSON object per line for programs.

A message never spans lines (a name with a line break could forge one); only a traceback below it does, in text.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time

from hil.config.model import Log

_NOISY = ("alembic", "asyncssh", "httpcore", "httpx", "uvicorn")
_TELLTALE = ("httpcore", "uvicorn.error", "websockets")
"""Libraries that write headers, and so credentials, when they debug: they never do."""


def one_line(text: str) -> str:
    """The text, or an escaped form of it if a part cannot be printed: it may come from anybody."""
    return text.encode("unicode_escape").decode() if not text.isprintable() else text


class TextFormatter(logging.Formatter):
    """Time, level, name, message; no time where journald writes its own."""

    def __init__(self) -> None:
        stamp = "" if "JOURNAL_STREAM" in os.environ else "%(asctime)s "
        super().__init__(f"{stamp}%(levelname)s %(name)s: %(message)s")
        self.converter = time.gmtime
        self.default_time_format = "%Y-%m-%dT%H:%M:%S"
        self.default_msec_format = "%s.%03dZ"

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = one_line(record.message)
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """The same as one object; a traceback is its `error`."""

    def format(self, record: logging.LogRecord) -> str:
        whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "at": f"{whole}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up(settings: Log) -> None:
    """Write everything of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    if settings.level != "debug":
        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.WARNING)
    for name in _TELLTALE:
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLogger(name).getEffectiveLevel()))
