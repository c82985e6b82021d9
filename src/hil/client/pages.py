"""Lists, a page at a time: what an iterator yields is fetched when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from hil.client.connection import Connection
from hil.client.decode import Shape
from hil.client.errors import UnexpectedAnswer

S = TypeVar("S", bound=Shape)
PAGE = 500


def pages(connection: Connection, path: str, shape: type[S], params: Mapping[str, Any] | None = None) -> Iterator[S]:
    """Yield every item of a list, from the first page to the last. `limit` in `params` is the size of a page."""
    query = {"limit": PAGE, **(params or {})}
    seen: set[str] = set()
    while True:
        data = connection.call("GET", path, params=query).data
        items, after = page(data)
        for item in items:
            yield shape.of(item)
        if after is None:
            return
        if after in seen:
            raise UnexpectedAnswer(f"the pages of {path} run in a circle")
        seen.add(after)
        query["after"] = after


def page(data: Any) -> tuple[list[Any], str | None]:
    """Take one page apart: its items and the cursor of the next."""
    items = data.get("items") if isinstance(data, dict) else None
    after = data.get("next") if isinstance(data, dict) else None
    if not isinstance(items, list) or not isinstance(after, str | None):
        raise UnexpectedAnswer("a list is not a page of items")
    return items, after
