"""Holds answers against the OpenAPI document: status, headers and body are what it promises, or the test fails."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import Any

import httpx
import jsonschema_rs

Spec = dict[str, Any]


class Promise:
    """The document of one application."""

    def __init__(self, document: Spec) -> None:
        self.document = document
        self._bodies: dict[str, Any] = {}

    @cached_property
    def _paths(self) -> list[tuple[re.Pattern[str], str]]:
        found = []
        for path in self.document["paths"]:
            pattern = re.sub(
                r"\\{(\w+)\\}", lambda m: "(.+)" if m[1] in ("port", "key") else "([^/]+)", re.escape(path)
            )
            found.append((re.compile(pattern), path))
        return sorted(found, key=lambda pair: -len(pair[1]))

    def operation(self, method: str, path: str) -> Spec | None:
        """The operation that a request reaches; None if the document knows none."""
        for pattern, template in self._paths:
            if pattern.fullmatch(path) and method.lower() in self.document["paths"][template]:
                found: Spec = self.document["paths"][template][method.lower()]
                return found
        return None

    def check(self, answer: httpx.Response) -> None:
        """Raise AssertionError for an answer that was not promised."""
        request = answer.request
        described = self.operation(request.method, request.url.path)
        assert "x-request-id" in answer.headers
        assert answer.headers["x-content-type-options"] == "nosniff"
        if described is None:
            return
        name = f"{described['operationId']} {answer.status_code}"
        promised = self._found(described["responses"].get(str(answer.status_code)))
        assert promised is not None, f"{name} is not in the document: {answer.text[:300]}"
        for header in promised.get("headers", {}):
            optional = header == "Idempotency-Replayed"
            assert optional or header in answer.headers, f"{name} lacks {header}"
        self._check_body(name, promised, answer)

    def _found(self, promised: Spec | None) -> Spec | None:
        """Follow a reference to a response that several operations share."""
        if promised is None or "$ref" not in promised:
            return promised
        found: Spec = self.document["components"]["responses"][promised["$ref"].rpartition("/")[2]]
        return found

    def _check_body(self, name: str, promised: Spec, answer: httpx.Response) -> None:
        content = promised.get("content", {})
        if not content:
            assert answer.content == b"", name
            return
        kind = answer.headers["content-type"].partition(";")[0]
        assert kind in content, f"{name} is {kind}"
        if kind.endswith("json"):
            schema = self._body(name, content[kind]["schema"])
            documents = answer.text.splitlines() if kind.endswith("x-ndjson") else [answer.text]
            for text in documents:
                errors = [str(error)[:500] for error in schema.iter_errors(json.loads(text))]
                assert errors == [], name

    def _body(self, name: str, schema: Spec) -> Any:
        if name not in self._bodies:
            whole = {**schema, "components": self.document["components"]}
            self._bodies[name] = jsonschema_rs.validator_for(whole)
        return self._bodies[name]
