"""The policy as a caller meets it: every operation of the OpenAPI document, asked by every kind of caller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hil.api.v1.openapi import operations
from hil.store.unit import Store
from tests.api_v1.examples import EXAMPLES
from tests.api_v1.promise import Promise
from tests.api_v1.walk import GOLDEN, Walk
from tests.api_v1.world import document, open_world


def test_every_operation_has_an_example_and_every_example_its_operation() -> None:
    known = {operation["operationId"] for _, _, operation in operations(document())}
    assert known - {example.operation for example in EXAMPLES} == set(), "add examples for these"
    promise = Promise(document())
    for example in EXAMPLES:
        reached = promise.operation(example.method, example.path.partition("?")[0])
        assert reached is not None, example
        assert reached["operationId"] == example.operation


def test_everybody_is_answered_as_the_golden_table_says(
    sqlite_url: str, tmp_path: Path, open_store: Callable[[str], Store]
) -> None:
    world = open_world(open_store(sqlite_url))
    table = Walk(world, tmp_path / "hil.db").table()
    world.close()
    assert table.splitlines() == GOLDEN.read_text().splitlines()
