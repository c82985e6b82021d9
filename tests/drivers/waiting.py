"""Waiting for another end to notice something, for so long as a slow machine may need."""

import asyncio
from collections.abc import Callable


async def until(fact: Callable[[], bool]) -> None:
    """Return once `fact` holds; TimeoutError after ten seconds."""
    async with asyncio.timeout(10):
        while not fact():  # noqa: ASYNC110 - what is awaited happens in a socket, which sets no event
            await asyncio.sleep(0.001)
