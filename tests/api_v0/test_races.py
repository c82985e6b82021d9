"""Requests that meet: the original gave one node, one VLAN, one name to two of them. Here one wins."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.api_v0.test_contract import BLK, DUP, network
from tests.api_v0.world import MOCK, OBMD, World

CONNECT = "/node/n1/nic/eth0/connect_network"
AT_ONCE = 8


def rush(world: World, requests: list[tuple[str, str, Any, str]]) -> Counter[str]:
    """Send all of them at the same moment; answer how often each outcome came."""

    async def all_of_them() -> list[str]:
        return [answer.short for answer in await asyncio.gather(*(world.api.ask(*request) for request in requests))]

    return Counter(world.api.runner.run(all_of_them()))


def test_networks_made_at_once_never_share_an_id(world: World) -> None:
    makers = [("PUT", f"/network/n{number}", network("p", "p"), "alice") for number in range(AT_ONCE)]
    assert rush(world, makers) == {"200": 4, "409 AllocationError": AT_ONCE - 4}
    ids = [entry["network_id"] for entry in world.ok("GET", "/networks").values()]
    assert sorted(ids) == ["100", "101", "102", "103"]


def test_a_node_goes_to_one_of_those_who_want_it(world: World) -> None:
    world.machine(1)
    wanted = {"node": "n1"}
    takers = [("POST", f"/project/{p}/connect_node", wanted, u) for p, u in (("p", "alice"), ("q", "bob"))]
    assert rush(world, takers * 4) == {"200": 1, BLK: AT_ONCE - 1}


def test_one_of_many_connects_on_a_nic_is_accepted(world: World) -> None:
    world.machine(1, "p")
    for number in range(4):
        world.network(f"net{number}")
    connects = [("POST", CONNECT, {"network": f"net{number % 4}"}, "alice") for number in range(AT_ONCE)]
    assert rush(world, connects) == {"202": 1, BLK: AT_ONCE - 1}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/project/x", {}),
        ("/node/x", {"obmd": OBMD, "metadata": {"a": 1}}),
        ("/node/n1/nic/x", {"macaddr": ""}),
        ("/switch/x", {"type": MOCK, "hostname": "h", "username": "", "password": ""}),
        ("/switch/sw/port/gi9/9", {}),
        ("/network/x", {"owner": "admin", "access": "", "net_id": "7"}),
        ("/network/net/access/q", {}),
        ("/auth/basic/user/x", {"password": "x"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_of_two_who_take_one_name_the_second_is_told_so(world: World, path: str, body: dict[str, Any]) -> None:
    world.machine(1)
    world.network("net")
    assert rush(world, [("PUT", path, body, "root")] * AT_ONCE) == {"200": 1, DUP: AT_ONCE - 1}


def test_a_port_is_wired_once_and_so_is_a_nic(world: World) -> None:
    world.machine(1)
    world.ok("PUT", "/node/n1/nic/eth1", {"macaddr": ""})
    world.ok("PUT", "/node/n1/nic/eth2", {"macaddr": ""})
    for port in (2, 3):
        world.ok("PUT", f"/switch/sw/port/gi1/0/{port}")
    one_port = [
        ("POST", "/switch/sw/port/gi1/0/2/connect_nic", {"node": "n1", "nic": f"eth{1 + number % 2}"}, "root")
        for number in range(AT_ONCE)
    ]
    assert rush(world, one_port) == {"200": 1, DUP: AT_ONCE - 1}
    one_nic = [
        ("POST", f"/switch/sw/port/gi1/0/{2 + number % 2}/connect_nic", {"node": "n1", "nic": "eth2"}, "root")
        for number in range(AT_ONCE)
    ]
    assert sum(count for answer, count in rush(world, one_nic).items() if answer == "200") <= 1


def test_metadata_written_at_once_are_all_accepted_and_one_stays(world: World) -> None:
    world.machine(1)
    assert rush(world, [("PUT", "/node/n1/metadata/x", {"value": 1}, "root")] * AT_ONCE) == {"200": AT_ONCE}
    assert world.ok("GET", "/node/n1")["metadata"] == {"x": "1"}
