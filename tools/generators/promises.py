"""The page of promises, from the conformance checks: what a driver must keep, and the hand on a device that helps."""

import ast
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from hil.testing import Control
from hil.testing.obm_promises import OBM_PROMISES
from hil.testing.promises import PROMISES

OUTPUT = "docs/drivers/promises.md"

HEAD = """\
# What a driver promises

These are the promises that the conformance checks try, in this order. Each is proved able to fail: our own tests hold
drivers that break it. What a check was not given the means to try is reported as *not tried*, with the reason.

## Switches

`hil.testing.check_switch_driver`; see [writing a driver](writing.md).

"""
CONTROL = """
### A hand on the switch

What a `Control` may be given; whatever is left out makes some promises *not tried*. `hil.testing.control_of` makes one
for an emulated switch.

| setting | what it does |
|---|---|
"""
OBMS = """
## Out-of-band controllers

`hil.testing.check_obm_driver`; see [writing an out-of-band driver](writing-obm.md).

"""


def table(promises: Iterable[Any]) -> Iterator[str]:
    yield "| promise | what is promised |\n|---|---|\n"
    for promise in promises:
        yield f"| `{promise.__name__}` | {' '.join((inspect.getdoc(promise) or '').split())} |\n"


def settings(kind: type) -> Iterator[str]:
    """Each field of a class with the text below it."""
    (found,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(found, ast.ClassDef)
    for field, words in zip(found.body, found.body[1:], strict=False):
        match field, words:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str() as text)):
                yield f"| `{name}` | {' '.join(text.split())} |\n"


def text() -> str:
    return "".join([HEAD, *table(PROMISES), CONTROL, *settings(Control), OBMS, *table(OBM_PROMISES)])
