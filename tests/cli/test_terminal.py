"""What only a person at a terminal sees: questions, bars, colours."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal
from tests.client.server import MEMBER, PASSWORD, Server, World

pytestmark = pytest.mark.net
Open = Callable[..., Terminal]


@pytest.fixture
def at() -> Iterator[Open]:
    """Open terminals; all are closed at the end."""
    opened: list[Terminal] = []

    def opener(command: str, environ: dict[str, str]) -> Terminal:
        opened.append(Terminal.hil(command, {"XDG_CONFIG_HOME": "/nonexistent", **environ}))
        return opened[-1]

    yield opener
    for terminal in opened:
        terminal.close()


def test_many_nodes_are_not_released_without_a_question(world: World, at: Open) -> None:
    world.allocate(*world.nodes)
    environ = world.server.environ(MEMBER)
    refused = at(f"node release {world.prefix}[1-4]", environ)
    refused.read(f"Release 4 nodes: {world.prefix}[1-4]? [y/N]: ")
    assert "hil: nothing was done" in refused.type("n\n", "nothing was done")
    assert refused.end() == 1
    assert world.operator.nodes.get(world.nodes[0]).state == "allocated"
    granted = at(f"node release {world.prefix}[1-4]", environ)
    granted.read("[y/N]: ")
    granted.type("y\n", "free")
    assert granted.end() == 0
    assert [world.operator.nodes.get(node).state for node in world.nodes] == ["free"] * 4


def test_an_interrupt_at_a_question_is_an_interrupt(world: World, at: Open) -> None:
    world.allocate(*world.nodes)
    asked = at(f"node release {world.prefix}[1-4]", world.server.environ(MEMBER))
    asked.read("[y/N]: ")
    assert asked.interrupt() == 130
    assert "hil: interrupted" in asked.seen


def test_a_bar_shows_what_is_waited_for_and_why(world: World, at: Open) -> None:
    name = world.network()
    world.allocate(world.nodes[0])
    world.away()
    waiting = at(f"network connect {name} {world.nodes[0]}", world.server.environ(MEMBER))
    waiting.read(f"connecting {world.nodes[0]} to {name}")
    waiting.read("0/1")
    waiting.read("No session with")
    world.back()
    assert waiting.end() == 0
    assert "DONE" in waiting.seen


def test_a_password_is_asked_for_and_not_shown(server: Server, at: Open, tmp_path: Path) -> None:
    login = at(f"login {server.endpoint}", {"XDG_CONFIG_HOME": str(tmp_path)})
    login.read("User name: ")
    login.type(f"{MEMBER}\n", f"Password of {MEMBER}: ")
    login.type(f"{PASSWORD}\n", "Logged in to")
    assert login.end() == 0
    assert PASSWORD not in login.seen


def test_a_user_whose_password_is_nowhere_is_asked(server: Server, at: Open) -> None:
    whoami = at("whoami", {"HIL_ENDPOINT": server.endpoint, "HIL_USERNAME": MEMBER})
    whoami.read(f"Password of {MEMBER}: ")
    whoami.type(f"{PASSWORD}\n", "user      ann")
    assert whoami.end() == 0


def test_colours_are_for_terminals_and_may_be_refused(world: World, at: Open) -> None:
    plain = at(f"node list {world.nodes[0]}", world.server.environ())
    assert plain.end() == 0
    assert "\x1b[32m" not in plain.seen  # NO_COLOR is set in all tests
    assert world.nodes[0] in plain.seen
    coloured = at(f"node list {world.nodes[0]}", {**world.server.environ(), "NO_COLOR": ""})
    assert coloured.end() == 0
    assert "\x1b[32mfree" in coloured.seen
