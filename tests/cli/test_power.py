"""The machine behind a node from the command line: power, boot device, console."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.cli.commands.console import HELP, START
from hil.cli.escape import Escape, Key
from hil.client import Conflict, PowerTimeout, Unavailable
from hil.core.obms import BootChoice, BootDevice
from hil.lab.bmc.faults import BmcFault, BmcFaultKind, BmcOp
from hil.lab.bmc.machine import Machine
from tests.cli.terminal import Ran, Terminal, run
from tests.client.server import MEMBER, World

Machines = dict[str, Machine]


@pytest.fixture
def machines(world: World) -> Machines:
    """The first two nodes of the member's, with their machines, enabled."""
    chosen = world.nodes[:2]
    found = {node: world.machine(node) for node in chosen}
    world.allocate(*chosen)
    for node in chosen:
        world.tenant.obm.enable(node)
    return found


def as_member(world: World, command: str) -> Ran:
    return run(command, world.server.environ(MEMBER))


@pytest.mark.net
def test_many_machines_are_switched_on_and_waited_for(world: World, machines: Machines) -> None:
    first, second = machines
    done = as_member(world, f"node power on {world.prefix}[1-2] --wait")
    assert (done.code, sorted(done.lines)) == (0, [f"{first}  on", f"{second}  on"])
    assert all(machine.on for machine in machines.values())
    shown = as_member(world, f"node power status {world.prefix}[1-2] -o json").json
    assert [row["result"]["power"] for row in shown] == ["on", "on"]
    assert as_member(world, f"node power status {first}").lines == [f"{first}  on"]


@pytest.mark.net
def test_one_machine_that_refuses_keeps_no_other_from_being_asked(world: World, machines: Machines) -> None:
    first, second = machines
    machines[first].faults.add(BmcFault(kind=BmcFaultKind.REFUSE, op=BmcOp.WRITE, words="Not now"))
    done = as_member(world, f"node power on {world.prefix}[1-2]")
    assert (done.code, done.lines) == (6, [f"{second}  on sent"])
    assert "Not now" in done.err
    assert "1 of 2 nodes failed" in done.err
    assert [machines[name].on for name in (first, second)] == [False, True]
    results = {each.node: each for each in world.tenant.power.set_many("off", [*machines, world.nodes[3]])}
    assert [results[name].ok for name in (first, second, world.nodes[3])] == [True, True, False]
    picked = [each.node for each in world.tenant.power.set_many("on", selector=f"world={world.label}")]
    assert sorted(picked) == [first, second]


@pytest.mark.net
def test_a_power_order_whose_answer_is_lost_is_not_sent_again(world: World, machines: Machines) -> None:
    first = next(iter(machines))
    machines[first].faults.add(BmcFault(kind=BmcFaultKind.LOSE_REPLY, op=BmcOp.WRITE))
    with pytest.raises(Unavailable) as caught:
        world.tenant.power.set(first, "cycle")
    assert caught.value.type == "device-lost-reply"
    assert [entry.asked for entry in machines[first].changes()] == ["cycle"]


@pytest.mark.net
def test_a_machine_that_does_not_come_on_ends_the_waiting(world: World, machines: Machines) -> None:
    first = next(iter(machines))
    machines[first].faults.add(BmcFault(kind=BmcFaultKind.LIE, op=BmcOp.WRITE))
    done = as_member(world, f"node power on {first} --wait --timeout 1")
    assert (done.code, "is still off" in done.err) == (8, True)
    with pytest.raises(PowerTimeout):
        world.tenant.power.wait(first, on=True, timeout=0.0)


@pytest.mark.net
def test_boot_media_and_light_are_set_and_shown(world: World, machines: Machines) -> None:
    first = next(iter(machines))
    assert as_member(world, f"node boot {first} pxe --uefi").code == 0
    assert machines[first].override == BootChoice(BootDevice.PXE, persistent=False, uefi=True)
    assert as_member(world, f"node boot {first} -o json").json[0]["device"] == "pxe"
    image = "https://images.example.org/a.iso"
    assert as_member(world, f"node media {first} --insert cd={image} -o json").json[0]["image"] == image
    assert as_member(world, f"node media {first} --eject cd -o json").json[0]["image"] is None
    assert as_member(world, f"node identify {first} --seconds 30").out == f"{first}  is lit for 30 s\n"
    assert as_member(world, f"node identify {first} --off").code == 0
    assert machines[first].lit_until == 0.0
    assert "Inlet Temp" in as_member(world, f"node sensors {first}").out
    assert as_member(world, f"node firmware {first}").lines[1].split() == ["BMC", "1.4.2"]
    world.tenant.power.set(first, "on")
    assert "Power on" in as_member(world, f"node events {first} --limit 1").out
    assert "reset" in world.tenant.power.abilities(first).actions


@pytest.mark.net
def test_the_obm_is_enabled_disabled_registered_and_forgotten(world: World, machines: Machines) -> None:
    first = next(iter(machines))
    assert as_member(world, f"node obm disable {first}").out == f"{first}  disabled\n"
    with pytest.raises(Conflict):
        world.tenant.power.set(first, "on")
    shown = as_member(world, f"node obm show {first} -o json").json
    assert (shown["enabled"], shown["settled"], shown["uri"]) == (False, True, None)
    assert as_member(world, f"node obm enable {first}").out == f"{first}  enabled\n"
    assert as_member(world, f"node obm unset {first}").code == 4
    bare, root = world.nodes[3], world.server.environ("root")
    assert run(f"node obm set {bare} http://127.0.0.1:9/node/x --original", {**root, "HIL_OBMD_TOKEN": "t"}).code == 0
    assert world.operator.obm.get(bare).kind == "original"
    assert run(f"node obm unset {bare}", root).code == 0
    assert world.operator.obm.get(bare).kind is None


@pytest.fixture
def at() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def opener(command: str, environ: dict[str, str]) -> Terminal:
        opened.append(Terminal.hil(command, {"XDG_CONFIG_HOME": "/nonexistent", **environ}))
        return opened[-1]

    yield opener
    for terminal in opened:
        terminal.close()


@pytest.mark.net
def test_a_console_is_a_terminal_until_a_tilde_and_a_dot(
    world: World, machines: Machines, at: Callable[..., Terminal], tmp_path: Path
) -> None:
    first = next(iter(machines))
    machine, environ = machines[first], world.server.environ(MEMBER)
    machine.on = True
    seat = at(f"node console {first} --log {tmp_path}/log", environ)
    seat.read(START[-20:])
    seat.type("one\x03~two\r", "login:")
    assert bytes(machine.typed) == b"one\x03~two\r"  # Ctrl-C is the machine's
    watcher = at(f"node console {first} --follow", environ)
    watcher.read("one")
    seat.type("~?", HELP[-20:])
    seat.type("~~x", "~x")
    assert watcher.interrupt() == 0
    seat.type("\r", "login:")
    seat.type("~.", "")
    assert seat.end() == 0
    assert b"one" in (tmp_path / "log").read_bytes()
    assert bytes(machine.typed) == b"one\x03~two\r~x\r"


@pytest.mark.net
def test_a_console_that_is_cut_says_why_and_leaves_the_terminal_as_it_was(
    world: World, machines: Machines, at: Callable[..., Terminal]
) -> None:
    first = next(iter(machines))
    seat = at(f"node console {first}", world.server.environ(MEMBER))
    seat.read(START[-20:])
    world.server.devices.print(machines[first], b"it lives")
    seat.read("it lives")
    world.tenant.nodes.release(first).wait(60)
    assert seat.end() == 1
    assert "hil: " in seat.seen
    world.server.devices.print(machines[first], b"the next one's secret")
    assert "secret" not in seat.seen


def escaped(*typed: bytes) -> list[bytes | Key]:
    escape = Escape()
    return [key for data in typed for key in escape.read(data)]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ([b"ls -l\r"], [b"ls -l\r"]),
        ([b"~."], [Key.LEAVE]),
        ([b"a~."], [b"a~."]),
        ([b"a\r~."], [b"a\r", Key.LEAVE]),
        ([b"a\r", b"~", b"."], [b"a\r", Key.LEAVE]),
        ([b"~~x"], [b"~x"]),
        ([b"~x"], [b"~x"]),
        ([b"~t~g~?"], [Key.TAKE, Key.GIVE, Key.HELP]),
        ([b"~\r~."], [b"~\r", Key.LEAVE]),
    ],
    ids=repr,
)
def test_a_tilde_means_something_after_a_new_line_alone(typed: list[bytes], meant: list[bytes | Key]) -> None:
    assert escaped(*typed) == meant
