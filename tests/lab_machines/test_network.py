"""Guests on the lab's switch: they boot from a node of their own network, and hear nothing of another."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.core.errors import Unavailable
from hil.core.obms import BootDevice
from hil.lab.machines import asks, boot, room
from hil.lab.site import NIC
from tests.lab_machines.rack import OVER_IPMI, OVER_REDFISH, THIRD, Rack, programs, until

pytestmark = [pytest.mark.ovs, pytest.mark.machines]
PROMPT = "iPXE> "


@pytest.fixture
def served(machines: Rack) -> Iterator[Rack]:
    """The third node serves to boot from."""
    with boot.serving(machines.centre, THIRD, machines.site.directory / "boot"):
        yield machines


def vlan(machines: Rack, node: str, number: int) -> None:
    machines.centre.by_hand(machines.centre.wiring[node, NIC][1], vlan_mode="access", tag=number)


def frames(file: Path) -> list[bytes]:
    """The frames of a pcap file, one by one (libpcap's format, version 2.4)."""
    data, found, at = file.read_bytes(), [], 24
    while at < len(data):
        length = int.from_bytes(data[at + 8 : at + 12], "little")
        found.append(data[at + 16 : at + 16 + length])
        at += 16 + length
    return found


def sent_by(mac: str, file: Path) -> int:
    return sum(frame[6:12] == bytes.fromhex(mac.replace(":", "")) for frame in frames(file))


def test_machines_boot_over_the_network_from_another_node_and_stay_at_a_prompt(served: Rack) -> None:
    async def story() -> None:
        nodes = (OVER_IPMI, OVER_REDFISH)
        said = await asyncio.gather(*(served.boots(node, BootDevice.PXE, PROMPT) for node in nodes))
        for node, text in zip(nodes, said, strict=True):
            assert boot.booted_by(THIRD) in text
            assert f"This is {served.centre.mac((node, NIC))} " in text
            assert "Booting from Hard Disk" not in text
        since = (await served.look(OVER_IPMI)).heard
        room.typed(served.site, OVER_IPMI, b"show net0/next-server\r")
        assert served.centre.address((THIRD, NIC)) in await served.says(OVER_IPMI, PROMPT, since)

    asyncio.run(story())


def test_a_guest_reaches_no_other_network_and_its_own_again(served: Rack) -> None:
    """At iPXE's prompt it asks for an address: first where nobody is, then on the service's network."""
    captured = {node: served.site.directory / f"{node}.pcap" for node in (OVER_IPMI, OVER_REDFISH, THIRD)}
    mac = served.centre.mac((OVER_IPMI, NIC))

    async def story() -> None:
        await served.boots(OVER_IPMI, BootDevice.PXE, PROMPT)
        vlan(served, OVER_IPMI, 100)
        vlan(served, THIRD, 200)
        for node, file in captured.items():
            served.centre.capture(f"{node}/{NIC}", file)
        room.typed(served.site, OVER_IPMI, b"dhcp net0\r")
        await asyncio.to_thread(until, lambda: sent_by(mac, captured[OVER_IPMI]) > 2)
        heard = served.centre.hears([100, 200])
        assert not any((OVER_IPMI, NIC) in pair for pair in heard)
        counted = {node: served.centre.captured(f"{node}/{NIC}") for node in captured}
        assert counted[OVER_IPMI] > 2
        assert sent_by(mac, captured[THIRD]) == sent_by(mac, captured[OVER_REDFISH]) == 0
        since = (await served.look(OVER_IPMI)).heard
        vlan(served, THIRD, 100)
        room.typed(served.site, OVER_IPMI, b"\x03dhcp net0\r")
        await served.says(OVER_IPMI, "ok", since)
        assert frozenset({(OVER_IPMI, NIC), (THIRD, NIC)}) in served.centre.hears([100, 200])

    asyncio.run(story())


def test_the_node_beside_the_guest_is_as_it_was(served: Rack) -> None:
    """Probe, ping and shell of a node do not depend on its guest, on or off."""
    centre = served.centre
    everybody = centre.hears([])
    assert len(everybody) == 3

    async def story() -> None:
        await served.boots(OVER_IPMI, BootDevice.PXE, PROMPT)

    asyncio.run(story())
    assert centre.hears([]) == everybody
    assert centre.ping((OVER_IPMI, NIC), (THIRD, NIC))
    assert centre.ping((OVER_REDFISH, NIC), (OVER_IPMI, NIC))


def test_a_boot_service_ends_and_can_begin_again(machines: Rack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one takes the place of the first."""
    directory = machines.site.directory / "boot"
    configuration = directory / "dnsmasq.conf"
    for _ in range(2):
        with boot.serving(machines.centre, THIRD, directory):
            first = programs(configuration)
            boot.start(machines.centre, THIRD, directory)
            second = programs(configuration)
            assert (len(first), len(second)) == (1, 1)
            assert first != second
        assert programs(configuration) == []
        assert "inet6" not in machines.centre.run(THIRD, "ip", "address", "show", "dev", NIC)[1]
    boot.stop(machines.centre, THIRD, directory)
    monkeypatch.setattr(boot, "PROGRAM", "false")
    with pytest.raises(Unavailable, match=THIRD):
        boot.start(machines.centre, THIRD, directory)


GUEST = """
import socket, struct, sys
number = int(sys.argv[sys.argv.index("-netdev") + 1].rpartition("fd=")[2])
line = socket.socket(fileno=number)
for tag in (b"", bytes.fromhex("81000064"), bytes.fromhex("810000c8"), bytes.fromhex("8100000088a80001")):
    frame = (b"\\xff" * 6 + bytes.fromhex("020000000001") + tag + b"\\x88\\xb6" + b"from the guest").ljust(60, b"\\0")
    line.sendall(struct.pack("!I", len(frame)) + frame)
stream, heard = line.makefile("rb"), open(sys.argv[1], "wb", buffering=0)
while head := stream.read(4):
    heard.write(head + stream.read(struct.unpack("!I", head)[0]))
"""


def test_a_guests_cable_carries_tags_both_ways_and_only_what_its_port_lets_through(machines: Rack) -> None:
    """The guest is a program of the test at the emulator's end of the cable, which forges tags as a tenant may."""
    centre = machines.centre
    ports = {node: centre.wiring[node, NIC][1] for node in (OVER_IPMI, THIRD)}
    centre.by_hand(ports[OVER_IPMI], vlan_mode="trunk", tag=["set", []], trunks=["set", [100, 300]])
    centre.by_hand(ports[THIRD], vlan_mode="trunk", tag=["set", []], trunks=["set", [100, 200, 300]])

    with tempfile.TemporaryDirectory() as name:
        file, heard = Path(name) / "seen.pcap", Path(name) / "heard"
        heard.touch()
        centre.capture(f"{THIRD}/{NIC}", file)

        async def story() -> None:
            argv = ["python3", "-c", GUEST, str(heard)]
            asking = asks.ask(centre.directory / "control.sock", "guest", place=f"{OVER_IPMI}/{NIC}", argv=argv)
            guest = asyncio.create_task(asking)
            await asyncio.to_thread(until, lambda: any(b"from the guest" in frame for frame in frames(file)))
            centre.probe([None, 100, 200, 300], senders=[f"{THIRD}/{NIC}"])
            await asyncio.to_thread(until, lambda: heard.read_bytes().count(b"HILPROBE") == 2)
            guest.cancel()
            await asyncio.gather(guest, return_exceptions=True)
            await asyncio.to_thread(until, lambda: programs(heard) == [])  # it ends with whoever asked for it

        asyncio.run(story())
        centre.captured(f"{THIRD}/{NIC}")
        arrived = [frame[12:16].hex() for frame in frames(file) if b"from the guest" in frame]
        assert arrived == ["81000064"]
        told = heard.read_bytes()
        assert [told.count(bytes.fromhex(f"8100{tag:04x}88b5")) for tag in (100, 200, 300)] == [1, 0, 1]


CHATTERBOX = """
import socket, struct, sys
line = socket.socket(fileno=int(sys.argv[sys.argv.index("-netdev") + 1].rpartition("fd=")[2]))
frame = (b"\\xff" * 6 + bytes.fromhex("020000000001") + b"\\x88\\xb6" + sys.argv[1].encode()).ljust(60, b"\\0")
while True:
    line.sendall((struct.pack("!I", len(frame)) + frame) * 100)
"""


def test_a_guest_that_never_stops_sending_hides_no_probe(machines: Rack) -> None:
    """The switch takes frames of a port in turns: a probe behind a guest's frames would come too late to be counted."""
    centre, place = machines.centre, f"{OVER_IPMI}/{NIC}"

    async def story() -> None:
        argv = ["python3", "-c", CHATTERBOX, "chatterbox"]
        guest = asyncio.create_task(asks.ask(centre.directory / "control.sock", "guest", place=place, argv=argv))
        await asyncio.to_thread(until, lambda: programs(Path("chatterbox")) != [])
        for _ in range(10):
            heard = await asyncio.to_thread(centre.probe, [None], senders=[place], fresh=False)
            assert {each.receiver for each in heard} >= {f"{node}/{NIC}" for node in (OVER_REDFISH, THIRD)}
        guest.cancel()
        await asyncio.gather(guest, return_exceptions=True)

    asyncio.run(story())
