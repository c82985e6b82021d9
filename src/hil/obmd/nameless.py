"""Takes the address of a controller out of what callers are told: that is obmd's own knowledge, and its operators'.

Drivers name a controller by its address, which is right for a log. Tenants, and HIL, know a node and nothing behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import urlsplit

from hil.core.errors import DeviceError

E = TypeVar("E", bound=DeviceError)


class Nameless:
    """For one controller, as its driver names it (`ObmSpec.controller`): `host:port`, or a URL."""

    def __init__(self, controller: str) -> None:
        place = controller.rpartition("://")[2]
        try:
            host = urlsplit(f"//{place}").hostname or place
        except ValueError:
            host = place
        self._shape = re.compile(rf"(?<![\w.:-])\[?{re.escape(host)}\]?(?::\d+)?(?![\w-]|\.\w)", re.IGNORECASE)

    def told(self, error: E) -> E:
        """The same error, whose message names no address; its detail keeps the words as they were."""
        plain = self._shape.sub("the controller", error.message)
        if plain != error.message:
            error.detail = f"{error.message} {error.detail}".strip()
            error.message = plain[:1].upper() + plain[1:]
            error.args = (error.message,)
        return error

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Whatever the controller did wrong in here is told without its address."""
        try:
            yield
        except DeviceError as error:
            self.told(error)
            raise
