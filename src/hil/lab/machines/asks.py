"""One question, one answer: JSON lines over a local socket, as every control socket of the lab speaks.

The socket has the rights of its directory. What goes wrong is answered in words; nobody who asks can end who answers.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from hil.core.errors import BadArgument, HilError, Unavailable

LONGEST: Final = 2**20
SOCKET_BYTES: Final = 107
"""The longest path of a local socket (unix(7))."""

Request = Mapping[str, Any]


@asynccontextmanager
async def serving(path: Path, answer: Callable[[Request], Awaitable[Any]]) -> AsyncIterator[None]:
    """Answer whoever asks at `path`. Raises Unavailable for a path that is too long."""
    check(path)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError):
            writer.write(json.dumps(await _reply(answer, await reader.readline())).encode() + b"\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(client, path, limit=LONGEST)
    try:
        yield
    finally:
        server.close()


async def _reply(answer: Callable[[Request], Awaitable[Any]], line: bytes) -> dict[str, Any]:
    try:
        return {"ok": await answer(json.loads(line))}
    except HilError as error:
        return {"error": error.message}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return {"error": f"This cannot be done: {type(error).__name__}: {error}."}


async def ask(path: Path, what: str, **details: Any) -> Any:
    """Ask one thing, for as long as the answer takes. Raises Unavailable, BadArgument."""
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST)
        try:
            writer.write(json.dumps({"do": what, **details}).encode() + b"\n")
            reply = json.loads(await reader.readline())
        finally:
            writer.close()
    except (OSError, ValueError) as error:
        raise Unavailable(f"Nobody answers at {path}.", detail=str(error)) from error
    if "error" in reply:
        raise BadArgument(str(reply["error"]))
    return reply["ok"]


def check(path: Path) -> None:
    """Raises Unavailable for a path that is too long for a socket."""
    if len(os.fsencode(path)) > SOCKET_BYTES:
        raise Unavailable(f"{path.parent} is too long a path for sockets: choose a shorter one.")
