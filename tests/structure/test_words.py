"""What must not stand in the source: gaps, prints, suppressions without a reason, tests that are skipped."""

import ast
import re
from pathlib import Path

import pytest

from tests.structure.source import Module, docstring_of, modules, modules_of_tests

GAPS = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X]|NotImplemented[E]rror)\b")
# Programs that speak to a person on a terminal.
MAY_PRINT = ("cli/", "lab/", "admin/", "admin.py")
# After the word that suppresses: the rule as ruff or mypy names it, then a reason of at least two words.
SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore)\b(?P<rest>.*)")
REASONED = re.compile(r"^(:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*|\[[a-z-]+(,\s*[a-z-]+)*\])[\s#:-]+\S+ \S+")
SKIPS = {"skip", "skipif", "xfail", "importorskip"}


def gaps(module: Module) -> list[str]:
    lines = enumerate(module.text.splitlines(), start=1)
    return [f"{module.name}:{number}" for number, line in lines if GAPS.search(line)]


def unreasoned(module: Module) -> list[str]:
    found = ((number, SUPPRESSION.search(comment)) for number, comment in module.comments())
    return [f"{module.name}:{number}" for number, match in found if match and not REASONED.match(match["rest"])]


def skips(module: Module) -> list[str]:
    """Find pytest.skip, pytest.mark.skipif and their like."""
    found = []
    for node in ast.walk(module.tree):
        if not (isinstance(node, ast.Attribute) and node.attr in SKIPS):
            continue
        owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        if owner in {"pytest", "mark"}:
            found.append(f"{module.name}:{node.lineno} {node.attr}")
    return found


def test_nothing_is_left_for_later() -> None:
    assert [found for module in modules() for found in gaps(module)] == []


def test_every_module_says_what_it_is() -> None:
    empty = {module.name for module in modules() if not module.text.strip()}
    silent = {module.name for module in modules() if docstring_of(module.tree) is None}
    assert silent - {name for name in empty if name.endswith("__init__.py")} == set()


def test_only_programs_for_a_terminal_print() -> None:
    printing = [
        f"{module.name}:{node.lineno}"
        for module in modules()
        if not module.name.startswith(MAY_PRINT)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []


def test_every_suppression_names_its_rule_and_its_reason() -> None:
    assert [found for module in modules() + modules_of_tests() for found in unreasoned(module)] == []


def test_no_test_is_skipped() -> None:
    assert [found for module in modules_of_tests() for found in skips(module)] == []


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("x = 1  # noqa", 1),
        ("x = 1  # noqa: S608", 1),
        ("x = 1  # noqa: S608 - the table name is ours", 0),
        ("x = 1  # type: ignore[misc]", 1),
        ("x = 1  # type: ignore[misc]  # the stub is wrong here", 0),
        ("x = 1  # type: ignore", 1),
        ("x = 1  # about noise and types", 0),
    ],
)
def test_a_suppression_needs_rule_and_reason(tmp_path: Path, line: str, number: int) -> None:
    path = tmp_path / "sample.py"
    path.write_text(line + "\n")
    assert len(unreasoned(Module(path, "sample.py"))) == number


def test_skips_and_gaps_are_recognised(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text("import pytest\n@pytest.mark.skip" + "if(True)\ndef f(): pytest.skip" + "('')  # TO" + "DO\n")
    sample = Module(path, "sample.py")
    assert sorted(skips(sample)) == ["sample.py:2 skipif", "sample.py:3 skip"]
    assert gaps(sample) == ["sample.py:3"]
