"""The page of the client library, and the examples in its docstrings, are run."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import hil.client
from tests.client.server import MEMBER, PASSWORD, World

PAGE = Path(__file__).resolve().parents[2] / "docs" / "users" / "client.md"
MODULES = [f"hil.client.{module.name}" for module in pkgutil.iter_modules(hil.client.__path__)]


@pytest.mark.parametrize("name", [*MODULES, "hil.cli.noderange"])
def test_examples_in_docstrings_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples_in_docstrings() -> None:
    assert sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES) >= 2


@pytest.mark.net
def test_the_examples_of_the_page_run_in_order(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a member of project `blue`, where two free nodes have the GPU of the page."""
    world.operator.projects.create("blue")
    world.operator.projects.set_member("blue", MEMBER, "member")
    for node in world.nodes[:2]:
        world.operator.nodes.label(node, "gpu", "a100")
    for name, value in {**world.server.environ(MEMBER), "XDG_CONFIG_HOME": "/nonexistent"}.items():
        monkeypatch.setenv(name, value)
    names: dict[str, object] = {}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for number, block in enumerate(blocks):
        exec(compile(block, f"{PAGE.name}, example {number + 1}", "exec"), names)
    shown = capsys.readouterr().out
    assert shown.startswith(f"{MEMBER}\n{world.nodes[0]} ")
    assert "2 of 2\nDONE\nnot done:" in shown
    assert "node_allocate" in shown
    assert len(blocks) >= 8
    assert PASSWORD not in shown
