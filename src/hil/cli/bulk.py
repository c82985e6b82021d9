"""The same verb for many nodes: some at a time, one line for each as it ends, one exit code for all.

One node that fails keeps no other from being tried. Threads are daemons: after an interrupt the program ends at once,
and what HIL has accepted goes on.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import click

from hil.cli import noderange
from hil.cli.exits import Exit
from hil.cli.explain import clean, code, say, words
from hil.cli.output import emit
from hil.cli.progress import bar
from hil.cli.session import Fault
from hil.client import HilClientError

T = TypeVar("T")
AT_A_TIME = 8
PATIENT = 32
"""At a time, for work that is mostly waiting."""


@dataclass(frozen=True, slots=True)
class Result(Generic[T]):
    """What became of one node."""

    node: str
    value: T | None = None
    error: HilClientError | None = None


def each(names: Sequence[str], work: Callable[[str], T], at_a_time: int = AT_A_TIME) -> Iterator[Result[T]]:
    """Do `work` for every name, a bounded number at a time; yield results as they come."""
    todo: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[Result[T] | BaseException] = queue.SimpleQueue()
    for name in names:
        todo.put(name)

    def run() -> None:
        while (name := todo.get()) is not None:
            try:
                done.put(Result(name, work(name)))
            except HilClientError as error:
                done.put(Result(name, error=error))
            except BaseException as error:
                done.put(error)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(min(at_a_time, len(names)))]
    for thread in threads:
        todo.put(None)
        thread.start()
    for _ in names:
        result = done.get()
        if isinstance(result, BaseException):
            raise result
        yield result


def values(results: Iterable[Result[T]]) -> Iterator[T]:
    """The values of results; raises the first error instead."""
    for result in results:
        if result.error is not None:
            raise result.error
        if result.value is not None:
            yield result.value


def bulk(
    names: Sequence[str],
    work: Callable[[str], Any],
    *,
    doing: str,
    done: Callable[[Any], str],
    output: str,
    at_a_time: int = AT_A_TIME,
) -> None:
    """Do `work` for every node and print what became of each. Raises the error of a lone node, else one for all."""
    results = []
    with bar(doing, len(names)) as advance:
        for number, result in enumerate(each(names, work, at_a_time), 1):
            results.append(result)
            advance(number, result.node)
            if output == "table" and result.error is None:
                print(f"{result.node}  {clean(done(result.value))}", flush=True)
            if result.error is not None and len(names) > 1:
                what, hint = words(result.error)
                say(f"{result.node}: {what}", hint)
    failed = [result for result in results if result.error is not None]
    if output != "table":
        order = {name: number for number, name in enumerate(names)}
        emit(map(_row, sorted(results, key=lambda result: order[result.node])), "node ok error", output)
    if len(names) == 1 and failed and failed[0].error is not None:
        raise failed[0].error
    if failed:
        codes = {code(result.error) for result in failed if result.error is not None}
        raise Fault(
            f"{len(failed)} of {len(names)} nodes failed",
            noderange.fold(result.node for result in failed),
            Exit(codes.pop()) if len(codes) == 1 else Exit.FAILURE,
        )


def _row(result: Result[Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"node": result.node, "ok": result.error is None}
    if result.error is not None:
        return row | {"error": result.error.message, "result": None}
    shown = result.value if isinstance(result.value, str) else getattr(result.value, "raw", None)
    return row | {"error": None, "result": shown}


def confirm(names: Sequence[str], verb: str, yes: bool) -> None:
    """Ask before something is done to several nodes by a person at a terminal."""
    if yes or len(names) < 2 or not sys.stdin.isatty():
        return
    if not click.confirm(f"{verb} {len(names)} nodes: {noderange.fold(names)}?", err=True):
        raise Fault("nothing was done")
