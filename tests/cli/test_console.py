"""`hil node console` as a person sees it: who else is here, who types, how large the window is, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.cli.commands.console import HELP, START, _names
from hil.cli.terminal import size_command
from hil.client.console import Console
from hil.lab.bmc.faults import BmcFault, BmcFaultKind, BmcOp
from hil.lab.bmc.machine import Machine
from tests.cli.terminal import Terminal, clean, run
from tests.client.server import MAIN, MEMBER, World

Open = Callable[..., Terminal]


@pytest.fixture
def machine(world: World) -> Machine:
    found = world.machine(world.nodes[0])
    found.on = True
    world.allocate(world.nodes[0])
    world.tenant.obm.enable(world.nodes[0])
    return found


@pytest.fixture
def at(world: World) -> Iterator[Open]:
    opened: list[Terminal] = []

    def opener(command: str) -> Terminal:
        opened.append(Terminal.hil(command, {"XDG_CONFIG_HOME": "/nonexistent", **world.server.environ(MEMBER)}))
        return opened[-1]

    yield opener
    for terminal in opened:
        terminal.close()


@pytest.mark.net
def test_the_line_is_handed_over_and_a_refusal_is_said_once(world: World, machine: Machine, at: Open) -> None:
    seat = at(f"node console {machine.name}")
    seat.read(START)
    with Console(world.operator.power.console(machine.name)) as root:
        root.take()
        seat.read("root types]")
        late = at(f"node console {machine.name}")
        here = late.read("root types]")
        assert "also here: ann, root]" in here
        seat.type("one", "root types on this console: take it over first (~t after a new line)]")
        os.write(seat.master, b"two\r~t")
        assert "take it over" not in seat.read("you type]")
        late.read("ann types]")
        seat.type("three\r", "login:")
        seat.type("~g", "nobody types]")
    seat.type("~?", HELP)
    seat.type("~.", "")
    assert seat.end() == 0
    assert bytes(machine.typed) == b"three\r"


@pytest.mark.net
def test_the_size_of_the_window_is_typed_when_asked_for(machine: Machine, at: Open) -> None:
    seat = at(f"node console {machine.name}")
    seat.read(START)
    termios.tcsetwinsize(seat.master, (33, 101))
    seat.process.send_signal(signal.SIGWINCH)
    seat.read("the window has another size now")
    seat.type("~s", "stty rows 33 cols 101")
    seat.type("~.", "")
    assert seat.end() == 0
    assert bytes(machine.typed) == b"stty rows 33 cols 101\r"


def test_what_is_no_terminal_has_no_size() -> None:
    with Path(os.devnull).open() as none:
        assert size_command(none.fileno()) == b""


def test_who_else_is_here_is_told_by_name_once() -> None:
    viewers: list[object] = [{"number": 1, "user": "ann"}, {"number": 2, "user": "bob"}, {"number": 3, "user": "bob"}]
    assert _names([*viewers, "nonsense"], 1) == ["bob"]


@pytest.mark.net
def test_a_log_is_its_owners_alone_and_one_that_cannot_be_written_is_said(
    world: World, machine: Machine, at: Open, tmp_path: Path
) -> None:
    follower = at(f"node console {machine.name} --follow --log {tmp_path}/log")
    follower.read("Ctrl-C ends it]")
    world.server.devices.print(machine, b"kept\r\n")
    follower.read("kept")
    assert follower.interrupt() == 0
    assert (tmp_path / "log").read_bytes() == b"kept\r\n"
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600
    refused = run(f"node console {machine.name} --log {tmp_path}/none/log", world.server.environ(MEMBER))
    assert (refused.code, "cannot write to" in refused.err) == (2, True)


@pytest.mark.net
def test_a_pipe_can_follow_and_what_is_cut_ends_with_a_reason(world: World, machine: Machine) -> None:
    command = [sys.executable, "-c", MAIN, "node", "console", machine.name, "--follow"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=clean(world.server.environ(MEMBER)),
    ) as follower:  # fmt: skip
        assert follower.stdout is not None
        assert follower.stderr is not None
        assert b"console of" in follower.stderr.readline()
        world.server.devices.print(machine, b"\x1b[1mhot\n")
        assert follower.stdout.readline() == b"\x1b[1mhot\n"
        world.tenant.obm.disable(machine.name)
        said = follower.stderr.read()
    assert (follower.returncode, said.startswith(b"hil: "), b"disabled" in said) == (1, True, True)


@pytest.mark.net
def test_what_becomes_of_each_machine_is_told_above_the_bar_and_in_json(
    world: World, machine: Machine, at: Open
) -> None:
    nodes = f"{world.prefix}[1-2]"
    environ = world.server.environ(MEMBER)
    rows = run(f"node power cycle {nodes} --wait -o json", environ)
    assert rows.code == 4, "all that failed did so in this way"
    first, second = rows.json
    assert (first["ok"], first["result"], first["error"]) == (True, "on", None)
    assert (second["ok"], second["result"], bool(second["error"])) == (False, None, True)
    machine.faults.add(BmcFault(kind=BmcFaultKind.REFUSE, op=BmcOp.WRITE, words="Not now"))
    seen = at(f"node power on {nodes}")
    assert seen.end() == 1, "one was refused by its controller, the other is not ours"
    lines = [line for line in seen.seen.replace("\x1b[2K", "\n").splitlines() if "Not now" in line]
    assert len(lines) == 1
    assert lines[0].split("\x1b")[0].startswith(f"hil: {machine.name}: ")
