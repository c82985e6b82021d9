"""One request, one transaction, one commit: nobody commits but the unit of work."""

import ast
from pathlib import Path

from tests.structure.source import Module, modules

UNIT_OF_WORK = "store/unit.py"
# Databases of another process that are not HIL's: their commits are their own. path -> reason
ELSEWHERE: dict[str, str] = {}
SWITCHES = "lab/devices/"
"""Emulated switches commit configurations, and have no database."""
ENDS = {"commit", "rollback", "begin_nested"}


def endings(module: Module, names: set[str]) -> list[str]:
    """Find calls that end or split a transaction, whatever they are called on."""
    return [
        f"{module.name}:{node.lineno} {node.func.attr}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names
    ]


def test_no_verb_ends_a_transaction() -> None:
    assert [found for module in modules("core", "services", "auth") for found in endings(module, ENDS)] == []


def test_only_the_unit_of_work_commits_and_only_in_one_place() -> None:
    ours = [module for module in modules() if module.name not in ELSEWHERE and not module.name.startswith(SWITCHES)]
    found = [call for module in ours for call in endings(module, {"commit"})]
    assert [call.split(":")[0] for call in found] == [UNIT_OF_WORK]


def test_a_commit_is_found_wherever_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "verb.py"
    path.write_text("def verb(ctx):\n    if ctx:\n        ctx.session.commit()\n")
    assert endings(Module(path, "verb.py"), ENDS) == ["verb.py:3 commit"]
