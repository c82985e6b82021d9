"""What a call is: method, path, the shape of its body, and one function. The whole API is a table of these.

A path is a template of segments: words, `{labels}`, and at most one `{label*}`, which takes every slash up to what
follows it. A label is one or more characters. The same path with another method is another call, and a word counts
for more than a label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hil.api.v0.failures import MethodNotAllowed, NoSuchCall
from hil.api.v0.shapes import NOTHING, Record


@dataclass(frozen=True, slots=True)
class Reply:
    """What a call answers. Without a `value` the body is empty, which original clients read as None."""

    status: int = 200
    value: Any = None
    location: str = ""


Work = Callable[..., Any]
"""Takes a Context, then labels and fields by name. Answers a Reply, a JSON value for 200, or None for an empty 200."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`flow`: the work takes the desk and the caller instead of a Context, since it is more than one transaction.

    `notes`: a GET that leaves a line in the journal.
    """

    method: str
    path: str
    work: Work
    body: Record = NOTHING
    query: frozenset[str] = frozenset()
    flow: bool = False
    notes: bool = False
    template: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "template", tuple(self.path.split("/")))

    @property
    def writes(self) -> bool:
        return self.notes or self.method != "GET"

    @property
    def words(self) -> int:
        return sum(not part.startswith("{") for part in self.template)

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The labels, if the path is of this template."""
        star = next((place for place, part in enumerate(self.template) if part.endswith("*}")), None)
        if star is None:
            return _labels(self.template, segments)
        tail = len(self.template) - star - 1
        if len(segments) < len(self.template):
            return None
        end = len(segments) - tail
        joined = [*segments[:star], "/".join(segments[star:end]), *segments[end:]]
        return _labels(self.template, joined, slashes=star)


def _labels(template: Sequence[str], segments: Sequence[str], slashes: int = -1) -> dict[str, str] | None:
    if len(template) != len(segments):
        return None
    found: dict[str, str] = {}
    for place, (part, segment) in enumerate(zip(template, segments, strict=True)):
        if part.startswith("{"):
            if not segment or ("/" in segment and place != slashes):
                return None
            found[part.strip("{*}")] = segment
        elif part != segment:
            return None
    return found


class Table:
    """All calls; finds the one that a request means."""

    def __init__(self, calls: Iterable[Call]) -> None:
        self.calls = tuple(calls)
        self._by_word: dict[str, list[Call]] = {}
        for call in self.calls:
            self._by_word.setdefault(call.template[0], []).append(call)

    def find(self, method: str, segments: Sequence[str]) -> tuple[Call, Mapping[str, str]]:
        """The call and its labels. Raises NoSuchCall, MethodNotAllowed."""
        near = [(call, call.match(segments)) for call in self._by_word.get(segments[0] if segments else "", ())]
        found = [(call, labels) for call, labels in near if labels is not None]
        wanted = "GET" if method == "HEAD" else method
        fitting = [(call, labels) for call, labels in found if call.method == wanted]
        if fitting:
            return max(fitting, key=lambda entry: entry[0].words)
        if not found:
            raise NoSuchCall("There is no such path in this API.")
        methods = {call.method for call, _ in found} | {"OPTIONS"}
        raise MethodNotAllowed(", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods)))
