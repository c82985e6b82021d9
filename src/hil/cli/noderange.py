r"""Noderanges: many nodes in one word, pure text to names and back.

    node01              one node
    a,b                 several
    node[01-16,20]      numbers, padded as they are written; several brackets multiply: r[1-2]n[1-4]
    @gpu=a100           every node that carries the label (also @key, @!key, @key!=value)
    @gpu=a100@rack=r1   every node for which all of it holds
    a\,b                a backslash takes a sign for itself

All of these can be mixed with commas. What a range means does not depend on which nodes exist; what a label means does,
so `parse` leaves labels to the caller. Expansion is bounded: a slip of the finger must not ask for a million machines.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from math import prod

MOST = 10_000
_SPECIAL = re.compile(r"[\\,\[\]@\s]")
_RUN = re.compile(r"\d+", re.ASCII)
_NUMBER = re.compile(r"(\d{1,64})(?:-(\d{1,64}))?", re.ASCII)


class BadRange(ValueError):
    """The text is no noderange; the message says which part and what to write instead."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Every node that a selector (`gpu=a100,rack=r1`) picks."""

    selector: str


def parse(text: str, most: int = MOST) -> list[str | Labelled]:
    """Take a noderange apart, in its order. Raises BadRange, also if it names more than `most` nodes."""
    found: list[str | Labelled] = []
    for item in _items(text):
        if item.startswith("@"):
            found.append(_labelled(item))
        else:
            found += _names(item, most - len(found))
    return found


def expand(text: str, most: int = MOST) -> list[str]:
    """The names that a noderange without labels means, each once, in its order. Raises BadRange."""
    found = parse(text, most)
    if any(isinstance(item, Labelled) for item in found):
        raise BadRange(f"{text!r} has labels, which only HIL can resolve")
    return list(dict.fromkeys(str(item) for item in found))


def fold(names: Iterable[str]) -> str:
    """Write names as a short noderange. It expands to the same names, in an order of its own.

    >>> fold(["n08", "n09", "n10", "gate"])
    'gate,n[08-10]'
    """
    parts: list[tuple[tuple[tuple[int, int, str], ...], str]] = []
    numbered: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name in set(names):
        runs = list(_RUN.finditer(name))
        if runs:
            start, end = runs[-1].span()
            numbered[name[:start], name[end:]].add(name[start:end])
        else:
            parts.append((_key(name), escape(name)))
    for (prefix, suffix), words in numbered.items():
        for width, numbers in _by_width(words).items():
            text = escape(prefix) + _brackets(numbers, width) + escape(suffix, inside=True)
            parts.append((_key(f"{prefix}{min(numbers)}"), text))
    return ",".join(text for _, text in sorted(parts))


def _by_width(words: set[str]) -> dict[int, set[int]]:
    """Sort numbers by the width to which they are padded, 0 for none; 10 is padded where 08 is there as well."""
    widths = {len(word) for word in words if word.startswith("0") and len(word) > 1}
    found: dict[int, set[int]] = defaultdict(set)
    for word in words:
        found[len(word) if len(word) in widths else 0].add(int(word))
    return found


def escape(name: str, *, inside: bool = False) -> str:
    """Write one name so that it means only itself; `inside`: it does not begin an item."""
    return re.sub(r"[\\,\[\]\s]" if inside else _SPECIAL, lambda match: "\\" + match[0], name)


def _key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort n2 before n10."""
    return tuple((0, int(part), "") if _RUN.fullmatch(part) else (1, 0, part) for part in re.split(r"([0-9]+)", name))


def _brackets(numbers: set[int], width: int) -> str:
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    words = [f"{a:0{width}}" if a == b else f"{a:0{width}}-{b:0{width}}" for a, b in runs]
    return words[0] if words == [f"{runs[0][0]:0{width}}"] else f"[{','.join(words)}]"


def _items(text: str) -> Iterator[str]:
    """Split at the commas that are outside of brackets and not escaped; escapes stay in."""
    start, depth, escaped = 0, 0, False
    for at, sign in enumerate(text):
        if escaped:
            escaped = False
        elif sign == "\\":
            escaped = True
        elif sign == "[":
            depth += 1
        elif sign == "]":
            depth -= 1
        elif sign == "," and depth == 0:
            yield _stripped(text[start:at], text)
            start = at + 1
        if depth not in (0, 1):
            raise BadRange(f"{text!r}: brackets do not match at {at + 1}: write node[01-16]")
    if depth:
        raise BadRange(f"{text!r}: a bracket is not closed: write node[01-16]")
    if escaped:
        raise BadRange(f"{text!r} ends in a backslash")
    yield _stripped(text[start:], text)


def _stripped(item: str, text: str) -> str:
    item = item.lstrip()
    bare = item.rstrip()
    escaped = (len(bare) - len(bare.rstrip("\\"))) % 2
    if not bare:
        raise BadRange(f"{text!r} names nothing in one place: remove the extra comma")
    return item[: len(bare) + escaped]


def _labelled(item: str) -> Labelled:
    terms = item[1:].split("@")
    if not all(terms) or re.search(r"[\\\[\]\s]", item):
        raise BadRange(f"{item!r} is no label: write @key=value, @key or @!key")
    return Labelled(",".join(terms))


def _names(item: str, most: int) -> list[str]:
    """Expand the brackets of one item."""
    parts: list[str | list[tuple[str, str]]] = []
    for match in re.finditer(r"\[([^\[\]]*)\]|((?:\\.|[^\\\[\]])+)", item, re.DOTALL):
        brackets, plain = match.groups()
        parts.append(_numbers(brackets, item) if plain is None else re.sub(r"\\(.)", r"\1", plain, flags=re.DOTALL))
    size = prod(sum(int(b) - int(a) + 1 for a, b in part) for part in parts if not isinstance(part, str))
    if size > most:
        raise BadRange(f"{item!r} names {size} nodes, and {MOST} is the most for one command")
    columns = [[part] if isinstance(part, str) else [*_spelled(part)] for part in parts]
    return ["".join(words) for words in product(*columns)]


def _numbers(brackets: str, item: str) -> list[tuple[str, str]]:
    found = []
    for part in brackets.split(","):
        match = _NUMBER.fullmatch(part.strip())
        if match is None:
            raise BadRange(f"{item!r}: {part!r} is neither a number nor a range: write [01-16,20]")
        low, high = match[1], match[2] or match[1]
        if int(high) < int(low):
            raise BadRange(f"{item!r}: {part!r} runs backwards")
        if high.startswith("0") and len(high) != len(low):
            raise BadRange(f"{item!r}: {part!r} has two ways of writing zeros")
        found.append((low, high))
    return found


def _spelled(numbers: Iterable[tuple[str, str]]) -> Iterator[str]:
    for low, high in numbers:
        for number in range(int(low), int(high) + 1):
            yield str(number).zfill(len(low))
