"""Sizes: what must be trusted is short enough to be read, and nothing grows two ideas.

Exceptions carry their reason, and one that is no longer needed is an error, so that the lists stay short.
"""

import fnmatch
import textwrap
from pathlib import Path

import pytest

from tests.structure.source import Function, Module, docstring_of, modules

FILE_LINES = 400
FUNCTION_LINES = 40
TRUSTED_LINES = {("core", "store", "services", "worker"): 6000, ("core",): 1500}

# pattern of `path` -> reason
LONG_FILES: dict[str, str] = {
    "store/tables.py": "the whole schema on one page, so that every relation is seen with both of its ends",
}
# pattern of `path:function` -> reason
LONG_FUNCTIONS: dict[str, str] = {
    "store/migrations/versions/*.py:*": "a migration is written once and read from top to bottom",
}
# Patterns that may match nothing: they name what comes and goes by itself.
STANDING = {"store/migrations/versions/*.py:*"}


def function_lines(function: Function) -> int:
    """Count the lines of a function from its `def` to its end, docstring apart."""
    doc = docstring_of(function)
    prose = 0 if doc is None else (doc.end_lineno or doc.lineno) - doc.lineno + 1
    return (function.end_lineno or function.lineno) - function.lineno + 1 - prose


def files_over(limit: int, found: list[Module]) -> dict[str, int]:
    sizes = {module.name: len(module.text.splitlines()) for module in found}
    return {name: size for name, size in sizes.items() if size > limit}


def functions_over(limit: int, found: list[Module]) -> dict[str, int]:
    sizes = {f"{module.name}:{f.name}": function_lines(f) for module in found for f in module.functions()}
    return {name: size for name, size in sizes.items() if size > limit}


def allowed(name: str, exceptions: dict[str, str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in exceptions)


def unused(names: dict[str, int], exceptions: dict[str, str]) -> list[str]:
    return [p for p in exceptions if p not in STANDING and not any(fnmatch.fnmatch(name, p) for name in names)]


def test_no_file_is_longer_than_400_lines() -> None:
    assert {
        name: size for name, size in files_over(FILE_LINES, modules()).items() if not allowed(name, LONG_FILES)
    } == {}


def test_no_function_is_longer_than_40_lines() -> None:
    long = functions_over(FUNCTION_LINES, modules())
    assert {name: size for name, size in long.items() if not allowed(name, LONG_FUNCTIONS)} == {}


def test_every_exception_is_still_needed_and_has_a_reason() -> None:
    assert unused(files_over(FILE_LINES, modules()), LONG_FILES) == []
    assert unused(functions_over(FUNCTION_LINES, modules()), LONG_FUNCTIONS) == []
    assert all(len(reason) > 15 for reason in (LONG_FILES | LONG_FUNCTIONS).values())


@pytest.mark.parametrize(("rooms", "limit"), TRUSTED_LINES.items(), ids=str)
def test_the_trusted_core_can_be_read_in_an_afternoon(rooms: tuple[str, ...], limit: int) -> None:
    """The schema counts once: `tests/store` shows that the migrations make just what `store/tables.py` says."""
    counted = (module for module in modules(*rooms) if not module.name.startswith("store/migrations/versions/"))
    assert sum(module.code_lines() for module in counted) < limit


def test_counting_sees_code_and_not_prose(tmp_path: Path) -> None:
    source = '''
    """Docstring
    of two lines."""
    # comment

    LIMIT = 1  # code with a comment
    """What LIMIT is."""


    def answer(
        question: str,
    ) -> str:
        """Prose,
        and more."""
        return """a string
    that is code"""
    '''
    path = tmp_path / "sample.py"
    path.write_text(textwrap.dedent(source))
    sample = Module(path, "sample.py")
    assert sample.code_lines() == 1 + 3 + 2
    assert [function_lines(function) for function in sample.functions()] == [5]
    assert functions_over(4, [sample]) == {"sample.py:answer": 5}
    assert files_over(10, [sample]) == {"sample.py": 16}
