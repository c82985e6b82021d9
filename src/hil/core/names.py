"""What may be a name: one rule, so that no two names look alike and every name fits a URL, a log line and a shell.

A name is 1 to 64 characters of ASCII letters, digits, space and ``$ _ . + ! * ' ( ) , -`` (what HIL's original client
lets through), with no space at either end, and is neither `.` nor `..`. Ports may also hold `/` and `:`. Unicode is
refused, not folded: two names that look the same must be the same bytes.
"""

from __future__ import annotations

import re
from typing import Final

from hil.core.errors import BadArgument

LONGEST: Final = 64
_NAME: Final = re.compile(r"[A-Za-z0-9 $_.+!*'(),-]+")
_PORT: Final = re.compile(r"[A-Za-z0-9 $_.+!*'(),:/-]+")
_USER: Final = re.compile(r"[A-Za-z0-9_.+@-]+")
_LABEL_KEY: Final = re.compile(r"[a-z0-9](?:[a-z0-9._/-]*[a-z0-9])?")
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9_.:+/-]*")
RESERVED: Final = {"project": frozenset({"admin", "all"}), "node": frozenset({"free", "all"})}
"""Words with a second meaning in the original API: an owner `admin` means *no project*, `free` lists free nodes."""


def _checked(kind: str, text: str, shape: re.Pattern[str], hint: str) -> str:
    if not text or len(text) > LONGEST:
        raise BadArgument(f"A {kind} name has 1 to {LONGEST} characters.")
    if not shape.fullmatch(text) or text != text.strip(" ") or text in (".", ".."):
        raise BadArgument(f"{text!a} is no {kind} name: use {hint}, with no space at either end.")
    if text in RESERVED.get(kind, ()):
        raise BadArgument(f"The name {text!r} has a meaning of its own in HIL: choose another.")
    return text


def name(kind: str, text: str) -> str:
    """Check the name of a project, node, NIC, switch, network or metadata entry; answer it unchanged."""
    return _checked(kind, text, _NAME, "ASCII letters, digits, space and $ _ . + ! * ' ( ) , -")


def port_name(text: str) -> str:
    """Check what every port name must satisfy; the switch's driver then checks its own form."""
    return _checked("port", text, _PORT, "ASCII letters, digits, space and $ _ . + ! * ' ( ) , - : /")


def user_name(text: str) -> str:
    """Check a user's name: it also travels in HTTP Basic, where a colon ends it (RFC 7617, section 2)."""
    return _checked("user", text, _USER, "ASCII letters, digits and _ . + @ -")


def label(key: str, value: str) -> tuple[str, str]:
    """Check one hardware label `key=value`; both at most 63 characters, the value may be empty."""
    if len(key) > 63 or not _LABEL_KEY.fullmatch(key):
        raise BadArgument(
            f"{key!a} is no label key: use lower-case letters, digits and . _ / - (63 characters at most)."
        )
    if len(value) > 63 or not _LABEL_VALUE.fullmatch(value):
        raise BadArgument(f"{value!a} is no label value: use ASCII letters, digits and _ . : + / - (63 at most).")
    return key, value
