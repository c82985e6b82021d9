"""Print the policy as a table; with `--write` into golden.txt, which the tests compare.

Every verdict of `judge` for every act on every kind of object is there. A tenant's rows name only those parts of its
standing on which the verdict depends; that the others change nothing is found out by trying them all.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from dataclasses import astuple, fields
from pathlib import Path

from hil.core.model import ANONYMOUS, Actor, Role
from hil.core.policy import Act, Kind, Standing, Verdict, judge

GOLDEN = Path(__file__).with_name("golden.txt")
TENANT, OPERATOR = Actor("tenant", user_id=1), Actor("operator", operator=True)
SIGNS = {Verdict.ALLOW: "yes", Verdict.DENY: "deny", Verdict.HIDE: "hide"}
ROLES: tuple[Role | None, ...] = (None, *Role)
PARTS = [field.name for field in fields(Standing)]
HEAD = """\
# Who may. Printed from hil.core.policy by `python -m tests.policy.print_golden --write`; the tests compare it.
# yes: may. deny: may know of the object, but may not do this to it (403). hide: answered as if it did not exist (404).
# A tenant's standing, as far as it matters: owner = its role in the project that owns the object; unowned = no project
# owns it; guest = its best role in a project on the access list; public; itself = its own user or key.
"""
WORDS = {"unowned": ("owned", "unowned"), "public": ("private", "public"), "itself": ("another's", "itself")}


def standings() -> Iterator[Standing]:
    """Everything that can be: a project that owns an object and no project cannot both be."""
    booleans = (False, True)
    for owner, unowned, guest, public, itself in itertools.product(ROLES, booleans, ROLES, booleans, booleans):
        if owner is None or not unowned:
            yield Standing(owner, unowned, guest, public, itself)


def row(actor: Actor, kind: Kind, standing: Standing) -> tuple[str, ...]:
    return tuple(SIGNS[judge(actor, act, kind, standing)] for act in Act)


def same_for_all(actor: Actor, kind: Kind) -> tuple[str, ...]:
    """The row of an actor whose standing does not matter; raises ValueError if it does."""
    (only,) = {row(actor, kind, standing) for standing in standings()}
    return only


def deciding(kind: Kind) -> list[str]:
    """The fewest parts of a tenant's standing that together decide every act on this kind."""
    for size in range(len(PARTS) + 1):
        for chosen in itertools.combinations(PARTS, size):
            if decides(kind, chosen):
                return list(chosen)
    raise AssertionError("all parts together decide")


def decides(kind: Kind, chosen: Iterable[str]) -> bool:
    seen: dict[tuple[object, ...], tuple[str, ...]] = {}
    return all(
        seen.setdefault(tuple(getattr(standing, part) for part in chosen), verdicts) == verdicts
        for standing in standings()
        for verdicts in [row(TENANT, kind, standing)]
    )


def told(standing: Standing, parts: Iterable[str]) -> str:
    """Put a standing into words: `owner=member guest=- public`, or `any` if nothing matters."""
    words = []
    for part in parts:
        value = getattr(standing, part)
        words.append(WORDS[part][value] if part in WORDS else f"{part}={'-' if value is None else value}")
    return " ".join(words) or "any"


def table() -> Iterator[str]:
    width = 45
    for kind in Kind:
        yield ""
        yield f"{kind:<{width}}" + "".join(f"{act:<9}" for act in Act).rstrip()
        for name, actor in (("anonymous", ANONYMOUS), ("operator", OPERATOR)):
            yield line(f"  {name}", width, same_for_all(actor, kind))
        parts = deciding(kind)
        rows: dict[str, tuple[str, ...]] = {}
        for standing in sorted(standings(), key=lambda each: [part or 0 for part in astuple(each)]):
            rows.setdefault(told(standing, parts), row(TENANT, kind, standing))
        for words, verdicts in rows.items():
            yield line(f"  tenant {words}", width, verdicts)


def line(head: str, width: int, verdicts: tuple[str, ...]) -> str:
    return f"{head:<{width}}" + "".join(f"{verdict:<9}" for verdict in verdicts).rstrip()


def text() -> str:
    return HEAD + "\n".join(table()) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        GOLDEN.write_text(text())
    else:
        sys.stdout.write(text())
