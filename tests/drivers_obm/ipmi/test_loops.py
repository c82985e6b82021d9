"""The console on both event loops: asyncio's, and uvloop, which the servers use."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from hil.drivers.obm.ipmi.session import open_session
from hil.drivers.obm.ipmi.spec import SPEC
from tests.drivers_obm.ipmi.simulator import simulator, until

pytestmark = pytest.mark.net


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_console_is_closed_while_it_is_read(
    tmp_path: Path, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def story() -> None:
        async with simulator(tmp_path) as sim:
            session = await open_session(SPEC.validate(sim.config))
            line = await session.console()
            await line.write(b"typed")
            await until(lambda: b"typed" in sim.typed)
            await sim.say(b"said")
            seen = b""
            while b"said" not in seen:
                seen += await line.read()
            reading = asyncio.create_task(line.read())
            await asyncio.sleep(0)
            await line.close()
            assert await reading == b""
            again = await session.console()
            await again.close()
            await session.close()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(story())
