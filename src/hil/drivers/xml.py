"""XML as devices send it: parsed without entities, read by names alone.

Documents with a DTD are refused before any parser sees them, so that no entity can be defined, let alone be expanded
without end. Names are compared without their namespaces, which vendors and releases change.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Final
from xml.sax.saxutils import quoteattr

_DTD: Final = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)


def parsed(message: bytes | str) -> ET.Element:
    """Parse one document. Raises ValueError for what is none, or brings a DTD."""
    text = message.decode("utf-8") if isinstance(message, bytes) else message
    if _DTD.search(text):
        raise ValueError("the document has a DTD")
    try:
        return ET.fromstring(text.strip())  # noqa: S314 it has no DTD, so there are no entities
    except (ET.ParseError, RecursionError) as error:
        raise ValueError(f"no XML: {error}") from None


def local(element: ET.Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def child(element: ET.Element | None, *path: str) -> ET.Element | None:
    """Follow a path of names; None if it ends."""
    for name in path:
        if element is None:
            return None
        element = next((found for found in element if local(found) == name), None)
    return element


def children(element: ET.Element | None, *path: str) -> list[ET.Element]:
    """Every element at the end of a path."""
    found = [] if element is None else [element]
    for name in path:
        found = [deeper for outer in found for deeper in outer if local(deeper) == name]
    return found


def text(element: ET.Element | None, *path: str) -> str:
    """The text at the end of a path; an empty one if there is none."""
    found = child(element, *path)
    return (found.text or "").strip() if found is not None else ""


def element(name: str, *content: str, **attributes: str) -> str:
    """Write an element; its content is XML already."""
    marks = "".join(f" {key.replace('_', '-')}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{name}{marks}>{''.join(content)}</{name}>" if content else f"<{name}{marks}/>"
