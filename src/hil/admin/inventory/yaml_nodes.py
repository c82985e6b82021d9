"""YAML with line numbers: a tree of nodes, read strictly, so that every fault can say where it stands.

Text is taken as it is written: the label `64` and the address `52:54:00:12:34:56` are never numbers. Values that may be
any JSON are what JSON means by them; what YAML 1.1 reads in ways that surprise (`yes`, `017`, `1:30`) is a fault.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from typing import Any, Final

import yaml

from hil.core.errors import BadArgument, HilError

_TAG: Final = "tag:yaml.org,2002:"
_NULL: Final = _TAG + "null"
_NUMBERS: Final = {
    _TAG + "int": (re.compile(r"-?(0|[1-9][0-9]*)"), int),
    _TAG + "float": (re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"), float),
}
_TEXTS: Final = {_TAG + "str", _TAG + "timestamp", _TAG + "value", _TAG + "merge"}
_DEEPEST: Final = 32
MOST_FAULTS: Final = 20
Pairs = list[tuple[str, yaml.Node, yaml.Node]]


class Faults:
    """What is wrong with a file, with lines; raised together."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.found: list[str] = []

    def add(self, at: yaml.Node | int, words: str) -> None:
        line = at if isinstance(at, int) else at.start_mark.line + 1
        self.found.append(f"{self.path}:{line}: {words}")

    def of(self, at: yaml.Node | int, error: HilError, about: str = "") -> None:
        self.add(at, f"{about}{error.message}")

    def tell(self) -> None:
        """Raise BadArgument with the first of them, if there are any."""
        if not self.found:
            return
        rest = len(self.found) - MOST_FAULTS
        raise BadArgument("\n".join([*self.found[:MOST_FAULTS], *([f"… and {rest} more"] if rest > 0 else [])]))


def compose(text: str, path: str) -> yaml.Node | None:
    """Read the tree. Raises BadArgument with the line of the first fault."""
    try:
        return yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadArgument(f"{path}:{line}: this is no YAML: {error.problem}.") from error
    except yaml.YAMLError as error:
        raise BadArgument(f"{path}: this is no YAML: {error}.") from error


def is_null(node: yaml.Node) -> bool:
    return node.tag == _NULL


def pairs(faults: Faults, node: yaml.Node, what: str) -> Pairs:
    """The entries of a mapping; nothing counts as an empty one. Keys are text and stand once."""
    if is_null(node):
        return []
    if not isinstance(node, yaml.MappingNode):
        faults.add(node, f"{what}: write `key: value` entries")
        return []
    found: dict[str, tuple[str, yaml.Node, yaml.Node]] = {}
    for key, value in node.value:
        name = text(faults, key, f"{what}: a key")
        if name is None:
            continue
        if name in found:
            faults.add(key, f"{what}: {name!a} stands here twice")
        found[name] = (name, key, value)
    return list(found.values())


def fields(faults: Faults, node: yaml.Node, what: str, known: Collection[str]) -> dict[str, yaml.Node]:
    """The entries of a mapping whose keys are known words."""
    found = {}
    for name, key, value in pairs(faults, node, what):
        if name in known:
            found[name] = value
            continue
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"use {', '.join(known)}"
        faults.add(key, f"{what}: there is no key {name!a}: {hint}")
    return found


def items(faults: Faults, node: yaml.Node, what: str) -> list[yaml.Node]:
    if is_null(node):
        return []
    if not isinstance(node, yaml.SequenceNode):
        faults.add(node, f"{what}: write a list, as in [a, b]")
        return []
    return list(node.value)


def text(faults: Faults, node: yaml.Node, what: str, *, empty: bool = False) -> str | None:
    """One piece of text, exactly as written; None if it is none. `empty` lets nothing pass as ''."""
    if not isinstance(node, yaml.ScalarNode) or (is_null(node) and not empty):
        faults.add(node, f"{what}: write text")
        return None
    return "" if is_null(node) else str(node.value)


def value(faults: Faults, node: yaml.Node, what: str, depth: int = 0) -> Any:
    """Any JSON value."""
    if depth > _DEEPEST:
        faults.add(node, f"{what}: nested too deeply")
        return None
    if isinstance(node, yaml.MappingNode):
        return {name: value(faults, inner, what, depth + 1) for name, _, inner in pairs(faults, node, what)}
    if isinstance(node, yaml.SequenceNode):
        return [value(faults, inner, what, depth + 1) for inner in node.value]
    return _scalar(faults, node, what)


def _scalar(faults: Faults, node: yaml.Node, what: str) -> Any:
    written = str(node.value)
    if node.tag in _TEXTS:
        return written
    if is_null(node):
        return None
    if node.tag == _TAG + "bool" and written in ("true", "false"):
        return written == "true"
    shape, kind = _NUMBERS.get(node.tag, (None, str))
    if shape is None or not shape.fullmatch(written) or kind(written) in (float("inf"), float("-inf")):
        faults.add(node, f"{what}: {written!a} can be read in several ways: quote it, or write it as JSON does")
        return None
    return kind(written)
