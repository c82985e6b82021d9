"""Arrows that import contracts cannot see: what `core` may import, and what comes along when the API is loaded."""

import ast
import subprocess
import sys
from collections.abc import Iterator

from tests.structure.source import Module, modules


def imported(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def test_core_imports_the_standard_library_and_itself_only() -> None:
    foreign = {
        f"{module.name}: {name}"
        for module in modules("core")
        for name in imported(module)
        if name.split(".")[0] not in sys.stdlib_module_names and name != "hil.core" and not name.startswith("hil.core.")
    }
    assert foreign == set()


def loaded_with(names: list[str]) -> set[str]:
    """Import the modules in a fresh interpreter and list everything of ours that came with them."""
    program = "import sys, importlib\nfor n in sys.argv[1:]: importlib.import_module(n)\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program, *names], check=True, capture_output=True, text=True)
    return {name for name in done.stdout.split() if name.startswith("hil")}


def dotted(module: Module) -> str:
    return "hil." + module.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_serving_requests_loads_nothing_that_speaks_to_a_device() -> None:
    loaded = loaded_with([dotted(module) for module in modules("api", "services")])
    assert {
        name for name in loaded if name.startswith(("hil.drivers.transport", "hil.worker")) or name.endswith(".session")
    } == set()


def test_loading_the_client_loads_nothing_else_of_ours() -> None:
    loaded = loaded_with([dotted(module) for module in modules("client")])
    assert {name for name in loaded if name != "hil" and not name.startswith("hil.client")} == set()


def test_loading_says_what_came_along() -> None:
    assert loaded_with(["hil"]) == {"hil"}
