"""What consoles said, from the command line: listed, read, searched and replayed; and nothing that harms a terminal."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from hil.cli.output import UNSAFE
from hil.cli.pace import paced
from hil.cli.params import Moment
from hil.cli.terminal import PLAIN
from hil.client import Client, Denied, NotFound, UnexpectedAnswer
from hil.client.console import Console
from hil.lab.bmc.machine import Machine
from tests.cli.terminal import Ran, Terminal, clean, run
from tests.client.server import MAIN, MEMBER, World

EVIL = "\x1b]0;owned\x07\x1b[2J\x9bH\x1bPq\x1b\\"


@pytest.fixture
def machine(world: World) -> Machine:
    """The first node's, of the member's, enabled."""
    found = world.machine(world.nodes[0])
    world.allocate(world.nodes[0])
    world.tenant.obm.enable(world.nodes[0])
    return found


def as_member(world: World, command: str) -> Ran:
    return run(f"node recording {command}", world.server.environ(MEMBER))


def say(world: World, machine: Machine, *texts: str) -> None:
    """Let the machine print while somebody looks: that is recorded."""
    seen = b""
    with Console(world.tenant.power.console(machine.name, watch=True)) as console:
        console.receive()
        for text in texts:
            world.server.devices.print(machine, text.encode())
            while text.encode() not in seen:
                message = console.receive()
                seen += message if isinstance(message, bytes) else b""


@pytest.mark.net
def test_recordings_are_listed_read_and_searched(world: World, machine: Machine) -> None:
    node = machine.name
    assert as_member(world, f"list {node} -o json").json == []
    say(world, machine, "booting\r\n", f"kernel {EVIL}panic\r\n", "going down\r\n")
    (listed,) = as_member(world, f"list {node} -o json").json
    assert (listed["bytes"] > 0, listed["begun"].endswith("Z"), listed["seconds"] >= 0) == (True, True, True)
    assert as_member(world, f"list {node}").lines[0].split() == ["ID", "BEGUN", "LAST", "SECONDS", "BYTES"]
    assert as_member(world, f"show {node} --no-times").lines == ["booting", "kernel panic", "going down"]
    assert as_member(world, f"show {node} {listed['id']} --last 1 --no-times").lines == ["going down"]
    timed = as_member(world, f"show {node}").lines[1]
    assert datetime.fromisoformat(timed[:20].replace(" ", "T")) <= datetime.now(UTC)
    assert timed.endswith("Z  kernel panic")
    found = as_member(world, f"search {node} 'KERNEL PANIC' -C 1")
    assert [line.split(" ", 1)[-1].strip() for line in found.lines] == [
        "| booting",
        found.lines[1][3:].strip(),
        "| going down",
    ]
    assert found.lines[1].endswith(" : kernel panic")
    (match,) = as_member(world, f"search {node} panic -C 5 -o json").json
    assert (match["line"], match["before"], match["after"]) == ("kernel panic", ["booting"], ["going down"])
    nothing = as_member(world, f"search {node} 'no such words'")
    assert (nothing.code, nothing.out, "nothing that you may see" in nothing.err) == (0, "", True)
    assert "more than 1" in as_member(world, f"search {node} o --limit 1").err
    assert as_member(world, f"search {node} panic --until 1h -o json").json == []
    assert as_member(world, f"show {node} --since 1h -o json").json[0]["line"] == "booting"


@pytest.mark.net
def test_a_recording_is_replayed_byte_for_byte_and_nothing_else_is(world: World, machine: Machine) -> None:
    said = [f"one{EVIL}\r\n", "two\r\n"]
    say(world, machine, *said)
    node = machine.name
    command = [sys.executable, "-c", MAIN, "node", "recording", "replay", node]
    for how in ("--no-wait", "--speed=1000"):
        played = subprocess.run([*command, how], env=clean(world.server.environ(MEMBER)), stdout=-1, check=True)
        assert played.stdout == "".join(said).encode()
    assert as_member(world, f"replay {node} --no-wait --until 1h").out == ""
    for command in (
        f"list {node}",
        f"show {node}",
        f"search {node} o",
        f"show {node} -o json",
        f"search {node} o -o csv",
    ):
        shown = as_member(world, command).out
        assert shown
        assert not [sign for sign in shown if not sign.isprintable() and sign != "\n"], command
        assert not UNSAFE.search(shown)
    missing = as_member(world, f"show {node} 4711")
    assert (missing.code, "no recording '4711'" in missing.err) == (3, True)


@pytest.mark.net
def test_nobody_sees_what_was_said_to_another(world: World, machine: Machine) -> None:
    node = machine.name
    say(world, machine, "the first one's secret\r\n")
    world.tenant.nodes.release(node).wait(60)
    assert as_member(world, f"show {node}").code == 4
    other = f"{world.project}-other"
    world.operator.projects.create(other)
    world.operator.nodes.allocate(other, [node])
    world.operator.obm.enable(node)
    assert world.operator.recordings.list(node) == ()
    with pytest.raises(NotFound):
        next(world.operator.recordings.lines(node))
    assert world.operator.recordings.search(node, "secret") == ()
    with pytest.raises(Denied):
        world.tenant.recordings.list(node)
    world.operator.nodes.release(node).wait(60)
    world.allocate(node)
    world.tenant.obm.enable(node)
    assert [line.line for line in world.tenant.recordings.lines(node)] == ["the first one's secret"]


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
def test_a_replay_leaves_the_terminal_as_it_was(world: World, machine: Machine, at: Callable[..., Terminal]) -> None:
    say(world, machine, "\x1b[?1049h\x1b[31mfull screen")
    seen = at(f"node recording replay {machine.name}", world.server.environ(MEMBER))
    assert seen.end() == 0
    assert "\x1b[31mfull screen" in seen.seen
    assert seen.seen.replace("\r", "").endswith(PLAIN.replace("\r", ""))


def test_the_time_between_is_as_it_was_or_shorter() -> None:
    def slept(**how: float) -> list[float]:
        pauses: list[float] = []
        now = 0.0

        def sleep(seconds: float) -> None:
            nonlocal now
            pauses.append(round(seconds, 6))
            now += seconds

        heard = [(10.0, "a"), (11.0, "b"), (71.0, "c"), (71.0, "d")]
        assert "".join(paced(heard, sleep=sleep, clock=lambda: now, **how)) == "abcd"
        return pauses

    assert slept() == [1.0, 60.0]
    assert slept(speed=4.0) == [0.25, 15.0]
    assert slept(longest=2.0) == [1.0, 2.0]
    assert slept(longest=2.0, speed=2.0) == [0.5, 1.0]


def test_a_terminal_that_is_slow_does_not_make_a_replay_late() -> None:
    clock, pauses = count(), list[float]()  # a second goes by whenever it is looked at
    shown = paced([(0.0, "a"), (1.0, "b"), (2.0, "c")], sleep=pauses.append, clock=lambda: float(next(clock)))
    assert ("".join(shown), pauses) == ("abc", [])


@pytest.mark.parametrize("text", ["yesterday", "15", "2026-13-01", "-5m"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    refused = run(f"node recording show n1 --since {text}")
    assert (refused.code, "is no moment" in refused.err) == (2, True)


def test_a_moment_is_a_time_or_so_long_ago() -> None:
    read = Moment().convert
    assert read("2026-11-21T16:00:00Z", None, None) == datetime(2026, 11, 21, 16, tzinfo=UTC)
    assert read("2026-11-21T16:00:00", None, None).tzinfo is not None
    then = read("2h", None, None)
    assert timedelta(hours=2) <= datetime.now(UTC) - then < timedelta(hours=2, minutes=1)


def test_json_holds_nothing_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    from hil.cli.output import dump

    dump({"a": "x\x9b2J\u202ey\x7fü"}, "json")
    out = capsys.readouterr().out
    assert out == '{\n  "a": "x\\u009b2J\\u202ey\\u007fü"\n}\n'


def test_a_ticket_of_another_kind_of_console_is_refused() -> None:
    from hil.client.recordings import _base

    assert _base("wss://o.example.org:5002/at/v1/nodes/n%201/console", "n 1") == "https://o.example.org:5002/at"
    for url in (
        "https://o/v1/nodes/n1/console",
        "ws://o/v1/nodes/n2/console",
        "ws://o/console?x=/v1/nodes/n1/consoles",
    ):
        with pytest.raises(UnexpectedAnswer):
            _base(url, "n1")
    with Client("http://127.0.0.1:9") as client, pytest.raises(ValueError, match="zone"):
        client.recordings.search("n1", "x", since=datetime.fromtimestamp(time.time()))  # noqa: DTZ006 that is the point
