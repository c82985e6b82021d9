"""A node's console over WebSocket: bytes both ways, and JSON beside them about who looks and who types.

HIL gives a ticket (`client.power.console`); the console itself is at obmd. A ticket's capability lives for minutes:
`renew` puts a newer one in its place, and what is open stays open. It is never part of a URL, a log or an error.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from hil.client.errors import ConsoleClosed, SettingsError, Unreachable
from hil.client.power import ConsoleTicket
from hil.client.settings import loopback

PATIENCE: Final = 10.0
LARGEST: Final = 2**22
Event = dict[str, Any]


class Console:
    """One open console. One thread may receive while another sends."""

    def __init__(self, ticket: ConsoleTicket, ca_file: str = "") -> None:
        """Open it. Raises Unreachable."""
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        host = urlsplit(ticket.url).hostname or ""
        self._held = ExitStack()
        try:
            opening = connect(
                ticket.url,
                additional_headers={"Authorization": f"Bearer {ticket.capability}"},
                subprotocols=[ticket.protocol],  # type: ignore[list-item]  # a plain string will do
                ssl=_trust(ca_file) if ticket.url.startswith("wss:") else None,
                open_timeout=PATIENCE,
                max_size=LARGEST,
                proxy=None if loopback(ticket.url) else True,
            )
            self._socket = self._held.enter_context(opening)
        except (OSError, TimeoutError, WebSocketException) as error:
            raise Unreachable(f"cannot reach the console at {host}: {type(error).__name__}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def receive(self) -> bytes | Event:
        """Wait for output or an event. Raises ConsoleClosed, with the reason, at the end."""
        from websockets.exceptions import ConnectionClosed

        try:
            message = self._socket.recv()
        except ConnectionClosed as error:
            raise ConsoleClosed("the connection to the console was lost") from error
        if isinstance(message, bytes):
            return message
        event = _event(message)
        if event.get("event") == "end":
            raise ConsoleClosed(str(event.get("detail") or "the console was closed"), type=str(event.get("type", "")))
        return event

    def send(self, data: bytes) -> None:
        """Type. Raises ConsoleClosed."""
        self._quietly(lambda: self._socket.send(data))

    def take(self) -> None:
        """Become the one who types, whoever it was before."""
        self._tell({"do": "take"})

    def give(self) -> None:
        """Let somebody else type."""
        self._tell({"do": "give"})

    def renew(self, ticket: ConsoleTicket) -> None:
        """Go on under a newer ticket."""
        self._tell({"do": "renew", "capability": ticket.capability})

    def close(self) -> None:
        self._held.close()

    def _tell(self, event: Event) -> None:
        self._quietly(lambda: self._socket.send(json.dumps(event)))

    def _quietly(self, work: Callable[[], object]) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            work()
        except ConnectionClosed as error:
            raise ConsoleClosed("the connection to the console was lost") from error


def _event(text: str) -> Event:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _trust(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise SettingsError(f"cannot use the CA file {ca_file}", hint="check HIL_CA_FILE") from error
