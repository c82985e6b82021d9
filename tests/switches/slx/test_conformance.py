"""The driver of VDX and SLX switches keeps every promise against the emulated one, whoever saves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hil.lab.devices import Served
from hil.lab.devices.model import Device
from hil.lab.devices.slx import TYPE, SlxEmulator, SlxPlatform
from hil.lab.devices.web import serve
from tests.switches.harness import conforms, run

pytestmark = pytest.mark.net


class LogicalChassis(SlxEmulator):
    """A VDX that saves every change by itself."""

    @asynccontextmanager
    async def serve(self, device: Device) -> AsyncIterator[Served]:
        async with serve(device, SlxPlatform(device, autosave=True), {"interface_type": TYPE}) as served:
            yield served


def test_every_promise_is_kept() -> None:
    run(conforms("slx"))


def test_every_promise_is_kept_where_the_switch_saves_by_itself() -> None:
    run(conforms("slx", served_by=LogicalChassis(), settings={"save": "automatic"}))
