"""A controller that stands still in the TLS handshake: the connection is closed when patience ends, and not later."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from hil.core.errors import Unreachable
from hil.drivers.transport.http import FIRST_USE, connect

pytestmark = pytest.mark.net


@pytest.fixture
def _uncollected() -> Iterator[None]:
    """Nothing is closed because it was forgotten."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_uncollected")
def test_a_handshake_that_never_ends_leaves_no_connection() -> None:
    async def story() -> None:
        ended = asyncio.Event()

        async def stand_still(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(4096):
                continue
            writer.close()
            ended.set()

        async with await asyncio.start_server(stand_still, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            config = {"url": f"https://127.0.0.1:{port}", "username": "a", "password": "b", "certificate": FIRST_USE}
            web = connect({**config, "timeout": 0.3})
            with pytest.raises(Unreachable):
                await web.ask("GET", "/", login=True)
            async with asyncio.timeout(10):
                await ended.wait()
            await web.close()

    asyncio.run(story())
