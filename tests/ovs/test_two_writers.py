"""Two who write to one Open vSwitch: an older lane, another program, a hand, a session that is thought to be dead."""

import asyncio
from typing import Any

import pytest

from hil.core.errors import DeviceBusy, LeaseLost, Unreachable
from hil.core.model import CLOSED, PortState
from hil.drivers.switch.ovs import render
from hil.drivers.switch.ovs.session import open_session
from hil.drivers.switch.ovs.transaction import Failed, Part, build, lock_of, outcome
from hil.drivers.transport.ovsdb import connect_unix, rows
from hil.lab.ovs.datacentre import DataCentre
from tests.ovs.hand import change, put, read, session, update, writer
from tests.ovs.proxy import Proxy, through_proxy

pytestmark = pytest.mark.ovs
TEN, TWENTY = PortState(10), PortState(20)


def test_an_older_writer_changes_nothing(centre: DataCentre) -> None:
    async def run() -> None:
        async with session(centre) as old, session(centre) as new:
            batch = await change(old, {"sw1p1": TEN})
            assert not any((await put(new, {"sw1p2": TWENTY}, fence=6)).values())
            with pytest.raises(LeaseLost):
                await old.apply(batch, writer(5))

    asyncio.run(run())
    assert read(centre, "sw1", "sw1p1")["sw1p1"].state == PortState(1)


def test_an_older_writer_that_looked_in_time_changes_nothing_either(centre: DataCentre) -> None:
    """The newer one's mark arrives between the older one's look and its write."""

    async def use(proxy: Proxy, config: dict[str, Any]) -> None:
        async def newer() -> None:
            mark = {"external_ids": ["map", [["hil-fence", "6"]]]}
            await asyncio.to_thread(centre.transact, update("Bridge", "sw1", mark))

        proxy.before_write = newer
        opened = await open_session(config)
        with pytest.raises(LeaseLost):
            await put(opened, {"sw1p1": TEN}, fence=5)
        await opened.close()

    through_proxy(centre, use)
    assert read(centre, "sw1", "sw1p1")["sw1p1"].state == PortState(1)


def test_the_fence_survives_a_reboot(centre: DataCentre) -> None:
    async def write(fence: int, want: PortState) -> None:
        async with session(centre) as opened:
            assert not any((await put(opened, {"sw1p1": want}, fence)).values())

    asyncio.run(write(6, TEN))
    centre.reboot()
    with pytest.raises(LeaseLost):
        asyncio.run(write(5, TWENTY))
    assert read(centre, "sw1", "sw1p1")["sw1p1"].state == TEN


def test_a_mark_of_another_program_in_between_is_no_obstacle(centre: DataCentre) -> None:
    async def use(proxy: Proxy, config: dict[str, Any]) -> None:
        async def other() -> None:
            mark = {"external_ids": ["map", [["owner", "somebody"]]]}
            await asyncio.to_thread(centre.transact, update("Bridge", "sw1", mark))

        proxy.before_write = other
        opened = await open_session(config)
        assert not any((await put(opened, {"sw1p1": TEN})).values())
        await opened.close()

    through_proxy(centre, use)
    found = centre.transact({"op": "select", "table": "Bridge", "where": [["name", "==", "sw1"]]})
    assert found[0]["rows"][0]["external_ids"] == ["map", [["hil-fence", "1"], ["owner", "somebody"]]]


@pytest.mark.parametrize("when", ["since it was read", "between look and write"])
def test_a_change_by_hand_in_between_is_not_written_over(centre: DataCentre, when: str) -> None:
    async def use(proxy: Proxy, config: dict[str, Any]) -> None:
        async def by_hand() -> None:
            await asyncio.to_thread(centre.by_hand, "sw1p1", tag=77)

        opened = await open_session(config)
        batch = await change(opened, {"sw1p1": TEN, "sw1p2": TEN})
        if when == "since it was read":
            await by_hand()
        else:
            proxy.before_write = by_hand
        with pytest.raises(DeviceBusy):
            await opened.apply(batch, writer())
        with pytest.raises(Unreachable, match="nothing was sent"):
            await opened.read()
        await opened.close()

    through_proxy(centre, use)
    assert {port: found.state for port, found in read(centre, "sw1", "sw1p1", "sw1p2").items()} == {
        "sw1p1": PortState(77),
        "sw1p2": PortState(1),
    }


def test_what_a_dead_session_sent_is_not_run_once_a_new_one_is_there(centre: DataCentre) -> None:
    """The transaction is on its way when a newer session opens: that one takes the lock, and nothing comes of it."""

    async def run() -> None:
        dying = await connect_unix(str(centre.directory / "db.sock"), 10)
        await dying.steal(lock_of("sw1"))
        selects = [{"op": "select", "table": table, "where": [["name", "==", name]]} for table, name in _ROWS]
        bridge, port = (rows(found)[0] for found in await dying.transact("Open_vSwitch", selects))
        batch = build(lock_of("sw1"), bridge, 1, [(port, render.row(TEN))])
        async with session(centre) as opened:
            results = await dying.transact("Open_vSwitch", batch.ops, writer())
            assert outcome(batch, results) == Failed(Part.LOCK, "", "not owner: Asserted lock hil_737731 not held")
            assert (await opened.read(["sw1p1"]))["sw1p1"].state == PortState(1)
        await dying.close()

    asyncio.run(run())


_ROWS = (("Bridge", "sw1"), ("Port", "sw1p1"))


def test_two_sessions_can_write_by_turns(centre: DataCentre) -> None:
    async def run() -> None:
        async with session(centre) as one, session(centre) as other:
            for opened, want in ((one, TEN), (other, TWENTY), (one, CLOSED), (other, TEN)):
                assert not any((await put(opened, {"sw1p1": want})).values())
                assert (await opened.read(["sw1p1"]))["sw1p1"].state == want

    asyncio.run(run())
