"""What a session does with a real Open vSwitch: one transaction a batch, and everything that can go wrong."""

import asyncio
import logging
from typing import Any

import pytest

from hil.core.errors import LostReply, Refused, Unreachable
from hil.core.model import CLOSED, PortChange, PortState
from hil.core.wiring import About, TellsAbout
from hil.drivers.switch.ovs.session import open_session
from hil.drivers.switch.ovs.spec import SPEC
from hil.drivers.transport.ovsdb import rows
from hil.lab.ovs.datacentre import DataCentre
from tests.ovs.hand import EMPTY, change, count, put, read, session, update, writer
from tests.ovs.proxy import Proxy, through_proxy

pytestmark = pytest.mark.ovs

TEN, TWENTY = PortState(10), PortState(20)


def test_48_ports_are_one_transaction_applied_once(centre: DataCentre) -> None:
    ports = [f"big{number}" for number in range(48)]
    members = [
        op
        for name in ports
        for op in (
            {"op": "insert", "table": "Interface", "row": {"name": name, "type": "internal"}, "uuid-name": f"i{name}"},
            {"op": "insert", "table": "Port", "row": {"name": name, "tag": 1, "interfaces": ["named-uuid", f"i{name}"]}}
            | {"uuid-name": f"p{name}"},
        )
    ]
    joined = [["ports", "insert", ["set", [["named-uuid", f"p{name}"] for name in ports]]]]
    sw1 = [["name", "==", "sw1"]]
    centre.transact(*members, {"op": "mutate", "table": "Bridge", "where": sw1, "mutations": joined})
    centre.settle()

    async def use(proxy: Proxy, config: dict[str, Any]) -> None:
        opened = await open_session(config)
        wants = {name: PortState(100 + number) for number, name in enumerate(ports)}
        batch = await change(opened, wants)
        before, replies = await asyncio.to_thread(count, centre), proxy.replies
        assert not any((await opened.apply(batch, writer())).values())
        assert len(proxy.writes) == 1
        assert proxy.replies - replies == 3, "one look, one transaction, one wait"
        assert await asyncio.to_thread(count, centre) == before + 1
        assert {port: found.state for port, found in (await opened.read(ports)).items()} == wants
        await opened.close()

    try:
        through_proxy(centre, use)
    finally:
        rows_ = centre.transact(*({"op": "select", "table": "Port", "where": [["name", "==", p]]} for p in ports))
        gone = [["ports", "delete", ["set", [rows(found)[0]["_uuid"] for found in rows_]]]]
        centre.transact({"op": "mutate", "table": "Bridge", "where": sw1, "mutations": gone})
        centre.settle()


def test_it_tells_its_version_and_system(centre: DataCentre) -> None:
    async def ask() -> About:
        async with session(centre) as opened:
            assert isinstance(opened, TellsAbout)
            return await opened.about()

    def say(**texts: str | list[Any]) -> dict[str, Any]:
        return {"op": "update", "table": "Open_vSwitch", "where": [], "row": texts}

    assert asyncio.run(ask()) == About("Open vSwitch on an unnamed system", "")
    centre.transact(say(ovs_version="3.1.0", system_type="debian", system_version="12"))
    assert asyncio.run(ask()) == About("Open vSwitch on debian 12", "3.1.0")
    centre.transact(say(ovs_version=EMPTY, system_type=EMPTY, system_version=EMPTY))


def test_a_batch_that_changes_nothing_sends_nothing(centre: DataCentre) -> None:
    async def use(proxy: Proxy, config: dict[str, Any]) -> None:
        opened = await open_session(config)
        await put(opened, {"sw1p1": TEN})
        replies, writes = proxy.replies, len(proxy.writes)
        assert await opened.apply([PortChange("sw1p1", TEN, TEN)], writer()) == {"sw1p1": None}
        assert proxy.replies == replies
        assert await opened.apply([PortChange("sw1p1", None, TEN)], writer()) == {"sw1p1": None}
        assert len(proxy.writes) == writes
        await opened.close()

    through_proxy(centre, use)


def test_a_port_that_is_not_there_is_refused_alone(centre: DataCentre) -> None:
    async def run() -> None:
        async with session(centre) as opened:
            batch = await change(opened, {"sw1p1": TEN, "sw1p2": TEN})
            batch += [PortChange(port, CLOSED, TEN) for port in ("ghost", "sw2p1", "sw1")]
            answers = await opened.apply(batch, writer())
            assert [port for port, error in answers.items() if error] == ["ghost", "sw2p1", "sw1"]
            assert all(isinstance(answers[port], Refused) for port in ("ghost", "sw2p1", "sw1"))
            found = await opened.read(["sw1p1", "sw1p2"])
            assert {observed.state for observed in found.values()} == {TEN}

    asyncio.run(run())
    assert read(centre, "sw2", "sw2p1")["sw2p1"].state == PortState(1)


def test_what_the_database_refuses_concerns_that_port_alone_and_in_its_words(centre: DataCentre) -> None:
    async def use(proxy: Proxy, config: dict[str, Any]) -> None:
        opened = await open_session(config)
        await proxy.refuse("sw1p2", "nonsense")
        answers = await put(opened, {"sw1p1": TEN, "sw1p2": TEN, "sw1p3": TEN})
        assert answers["sw1p1"] is answers["sw1p3"] is None
        assert isinstance(answers["sw1p2"], Refused)
        assert "constraint violation" in answers["sw1p2"].message
        assert "nonsense" in answers["sw1p2"].message
        await opened.close()

    through_proxy(centre, use)
    assert {port: found.state for port, found in read(centre, "sw1", "sw1p1", "sw1p2").items()} == {
        "sw1p1": TEN,
        "sw1p2": PortState(1),
    }


def test_a_database_that_stands_still_is_unreachable_for_a_read(centre: DataCentre) -> None:
    async def run() -> None:
        async with session(centre, timeout=0.3) as opened:
            await asyncio.to_thread(centre.freeze, "ovsdb-server")
            with pytest.raises(Unreachable, match="no answer in time"):
                await opened.read()

    try:
        asyncio.run(run())
    finally:
        centre.freeze("ovsdb-server", frozen=False)


def test_a_database_that_stands_still_is_a_lost_reply_for_a_write_and_what_is_read_next_stays(
    centre: DataCentre,
) -> None:
    async def use(proxy: Proxy, config: dict[str, Any]) -> None:
        async def freeze() -> None:
            await asyncio.to_thread(centre.freeze, "ovsdb-server")

        proxy.before_write = freeze
        opened = await open_session(config)
        with pytest.raises(LostReply, match="no answer in time"):
            await put(opened, {"sw1p1": TEN})
        await opened.close()

    try:
        through_proxy(centre, use, timeout=0.3)
    finally:
        centre.freeze("ovsdb-server", frozen=False)
    found = read(centre, "sw1", "sw1p1")["sw1p1"].state
    assert found in (PortState(1), TEN)
    centre.settle()
    assert read(centre, "sw1", "sw1p1")["sw1p1"].state == found


def test_a_daemon_that_does_not_obey_is_a_lost_reply_and_then_unreachable(centre: DataCentre) -> None:
    centre.power(False)

    async def run() -> None:
        async with session(centre, timeout=0.3) as opened:
            with pytest.raises(LostReply, match="ovs-vswitchd"):
                await put(opened, {"sw1p1": TEN})
        with pytest.raises(Unreachable, match="ovs-vswitchd"):
            async with session(centre, timeout=0.3):
                pass

    asyncio.run(run())
    centre.power(True)
    assert read(centre, "sw1", "sw1p1")["sw1p1"].state == TEN


def test_a_closed_way_is_unreachable_and_ends_the_sessions_on_it(centre: DataCentre) -> None:
    async def run() -> None:
        async with session(centre) as opened:
            await asyncio.to_thread(centre.reachable, False)
            with pytest.raises(Unreachable):
                await opened.read()
            with pytest.raises(Unreachable):
                async with session(centre):
                    pass
            await asyncio.to_thread(centre.reachable, True)
        async with session(centre) as opened:
            assert await opened.read(["sw1p1"])

    asyncio.run(run())


def test_a_bridge_that_is_not_there_is_refused(centre: DataCentre) -> None:
    async def run() -> None:
        with pytest.raises(Refused, match="no bridge sw9"):
            async with session(centre, "sw9"):
                pass

    asyncio.run(run())


def test_an_interface_that_is_not_there_is_refused_in_the_daemons_words(centre: DataCentre) -> None:
    insert = [
        {"op": "insert", "table": "Interface", "row": {"name": "ghost0"}, "uuid-name": "i"},
        {
            "op": "insert",
            "table": "Port",
            "row": {"name": "ghost0", "interfaces": ["named-uuid", "i"]},
            "uuid-name": "p",
        },
    ]
    sw1 = [["name", "==", "sw1"]]
    join = [["ports", "insert", ["named-uuid", "p"]]]
    results = centre.transact(*insert, {"op": "mutate", "table": "Bridge", "where": sw1, "mutations": join})
    centre.settle()

    async def run() -> None:
        async with session(centre) as opened:
            answers = await put(opened, {"ghost0": TEN, "sw1p1": TEN})
            assert answers["sw1p1"] is None
            assert isinstance(answers["ghost0"], Refused)
            assert "No such device" in answers["ghost0"].message
            assert await put(opened, {"ghost0": CLOSED}) == {"ghost0": None}

    try:
        asyncio.run(run())
    finally:
        leave = [["ports", "delete", results[1]["uuid"]]]
        centre.transact({"op": "mutate", "table": "Bridge", "where": sw1, "mutations": leave})
        centre.settle()


def test_the_bridges_own_port_is_put_to_rest_with_the_first_write_and_again_if_woken(centre: DataCentre) -> None:
    async def run() -> None:
        async with session(centre) as opened:
            assert "sw1" not in await opened.read()
            await put(opened, {"sw1p1": CLOSED})
            assert (await opened.read(["sw1p1"]))["sw1p1"].state == CLOSED
            await asyncio.to_thread(centre.by_hand, "sw1", trunks=EMPTY)
            woken = (await opened.read(["sw1p1"]))["sw1p1"]
            assert woken.state is None
            assert "own port" in woken.reason
            await put(opened, {"sw1p1": CLOSED})
            assert (await opened.read(["sw1p1"]))["sw1p1"].state == CLOSED

    asyncio.run(run())


def test_an_own_port_that_the_operator_has_restricted_is_left_alone(centre: DataCentre) -> None:
    centre.by_hand("sw1", trunks=["set", [0, 30]])

    async def run() -> None:
        async with session(centre) as opened:
            await put(opened, {"sw1p1": CLOSED})
            assert (await opened.read(["sw1p1"]))["sw1p1"].state == CLOSED

    asyncio.run(run())
    found = centre.transact({"op": "select", "table": "Port", "where": [["name", "==", "sw1"]]})
    assert found[0]["rows"][0]["trunks"] == ["set", [0, 30]]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"fail_mode": "secure"}, "OpenFlow"),
        ({"controller": ["named-uuid", "made"]}, "OpenFlow"),
        ({"mirrors": ["named-uuid", "made"]}, "copies of other ports' frames"),
    ],
    ids=["fail mode", "controller", "mirror"],
)
def test_what_overrules_the_vlan_columns_is_not_representable(
    centre: DataCentre, columns: dict[str, Any], reason: str
) -> None:
    port = rows(centre.transact({"op": "select", "table": "Port", "where": [["name", "==", "sw1p1"]]})[0])[0]["_uuid"]
    made = {
        "controller": {"table": "Controller", "row": {"target": "tcp:127.0.0.1:1"}},
        "mirrors": {"table": "Mirror", "row": {"name": "m", "select_all": True, "output_port": port}},
    }
    inserts = [{"op": "insert", "uuid-name": "made", **made[key]} for key in columns if key in made]
    centre.transact(*inserts, update("Bridge", "sw1", columns))
    centre.settle()
    found = read(centre, "sw1", "sw1p1", "sw1p2")
    assert found["sw1p1"].state is None
    assert reason in found["sw1p1"].reason
    assert (found["sw1p2"].state is None) is ("mirrors" not in columns)


def test_a_link_that_carries_the_dead_vlan_is_warned_of(centre: DataCentre, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read(centre, "sw1")
        assert not caplog.records
        centre.by_hand("sw1-sw2", trunks=EMPTY)
        read(centre, "sw1")
    assert "sw1-sw2" in caplog.text


@pytest.mark.parametrize(
    ("have", "want", "rests"),
    [
        (CLOSED, TEN, False),
        (TEN, PortState(10, frozenset({20})), False),
        (TEN, CLOSED, True),
        (TEN, TWENTY, True),
        (None, TEN, True),
        (PortState(10, frozenset({20})), PortState(20, frozenset({10})), True),
    ],
)
def test_a_batch_rests_only_after_it_took_something_away(
    centre: DataCentre, monkeypatch: pytest.MonkeyPatch, have: PortState | None, want: PortState, rests: bool
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def run() -> None:
        opened = await open_session(SPEC.validate({"ovsdb": centre.ovsdb, "bridge": "sw1", "rest": 7}))
        if have is None:
            centre.by_hand("sw1p1", vlan_mode=["set", []], tag=["set", []], trunks=["set", []])
        else:
            await opened.apply([PortChange("sw1p1", None, have)], writer())
        slept.clear()
        monkeypatch.setattr("hil.drivers.switch.ovs.session.asyncio.sleep", sleep)
        await opened.apply([PortChange("sw1p1", have, want)], writer())
        await opened.close()

    monkeypatch.setattr("hil.drivers.switch.ovs.session.asyncio.sleep", sleep)
    asyncio.run(run())
    assert (7 in slept) == rests
