"""The documents that are made from the code: OpenAPI and the page of errors."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType

import jsonschema_rs
import pytest

from hil.api.problem import documented
from hil.api.v1.openapi import operations
from hil.core.errors import DeviceError, HilError
from tests.api_v1.world import document

TOP = Path(__file__).resolve().parents[2]


def generator(name: str) -> ModuleType:
    sys.path.insert(0, str(TOP / "tools"))
    try:
        from generate import load
    finally:
        sys.path.pop(0)
    found: ModuleType = load(TOP / "tools" / "generators" / f"{name}.py")
    return found


@pytest.mark.parametrize("name", ["openapi", "errors"])
def test_generated_documents_are_as_they_would_be_made_now(name: str) -> None:
    made = generator(name)
    assert (TOP / made.OUTPUT).read_text().splitlines() == made.text().splitlines(), "`make fmt` renews it"


def test_every_operation_is_named_explained_and_tells_its_errors() -> None:
    found = [(f"{method} {path}", operation) for path, method, operation in operations(document())]
    names = [operation["operationId"] for _, operation in found]
    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+)+", name)] == []
    assert [where for where, operation in found if not operation.get("description")] == []
    for where, operation in found:
        needed = {"400"} if where == "get /v1" else {"400", "401", "403", "429", "503"}
        assert needed <= operation["responses"].keys(), where
        assert operation["security"] == ([] if where == "get /v1" else [{"password": []}, {"key": []}]), where


def test_every_creation_and_action_takes_an_idempotency_key() -> None:
    """But what reaches a machine, which no answer of before can stand for, and what is answered afresh each time."""
    without = [
        path
        for path, method, operation in operations(document())
        if method == "post"
        and not {"power", "obm"} & set(operation["tags"])
        and "Idempotency-Key" not in {parameter["name"] for parameter in operation.get("parameters", ())}
    ]
    assert without == []


def test_whatever_shows_a_version_can_be_changed_under_it() -> None:
    tagged = {
        path
        for path, method, operation in operations(document())
        if method == "get" and "ETag" in operation["responses"]["200"]["headers"]
    }
    assert tagged == {
        "/v1/projects/{project}", "/v1/nodes/{node}", "/v1/networks/{network}", "/v1/switches/{switch}",
        "/v1/users/{user}",
    }  # fmt: skip
    for path, method, operation in operations(document()):
        if path in tagged and method in ("patch", "delete"):
            assert "If-Match" in {parameter["name"] for parameter in operation["parameters"]}, (method, path)


def test_every_reference_in_the_document_leads_somewhere() -> None:
    text = json.dumps(document())
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
        here = document()
        for part in reference.split("/"):
            assert part in here, reference
            here = here[part]
    for schema in document()["components"]["schemas"].values():
        jsonschema_rs.validator_for({**schema, "components": document()["components"]})


def test_bodies_refuse_what_they_do_not_know() -> None:
    schemas = document()["components"]["schemas"]
    assert [name for name, schema in schemas.items() if schema.get("additionalProperties") is not False] == []


def test_every_error_that_can_be_answered_is_documented_once() -> None:
    kinds = documented()
    assert len({kind.type for kind in kinds}) == len(kinds)
    assert {kind.status for kind in kinds} >= {400, 401, 403, 404, 405, 409, 412, 413, 422, 429, 500, 503}
    ours = [kind for kind in walk(HilError) if kind.__module__ == "hil.core.errors"]
    assert set(ours) <= set(kinds)
    assert all((kind.__doc__ or "").strip() for kind in kinds)
    assert any(issubclass(kind, DeviceError) for kind in kinds)


def walk(kind: type[HilError]) -> list[type[HilError]]:
    return [found for child in kind.__subclasses__() for found in (child, *walk(child))]
