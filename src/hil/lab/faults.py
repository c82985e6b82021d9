"""How faults are named and sent: the words of `hil lab fault`, and the client of a lab's control socket.

    refuse port=gi1/0/1 words="% No such VLAN" count=2
    lose-reply op=save
    slow seconds=3 count=forever

A control socket is a local one with the rights of its directory. What can be asked of it is written down in
`hil.lab.switchd`; here is only the asking. It is synchronous: a command line asks once and ends.
"""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hil.core.errors import BadArgument, Unavailable
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op

LONGEST: Final = 8 * 2**20
_FOREVER: Final = "forever"


def parse(text: str) -> Fault:
    """Read one fault from words. Raises BadArgument that says what there is.

    >>> parse("refuse port=gi1/0/1 count=2").count
    2
    """
    try:
        kind, *words = shlex.split(text) or [""]
    except ValueError as error:
        raise BadArgument(f"The fault cannot be read: {error}.") from error
    settings: dict[str, Any] = {"kind": kind}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise BadArgument(f"{word[:40]!a} is no setting of a fault: write key=value.")
        settings[key] = value
    return from_json(settings)


def from_json(settings: Mapping[str, Any]) -> Fault:
    """Make a fault from its settings, which may be words or JSON values. Raises BadArgument."""
    left = dict(settings)
    kind = str(left.pop("kind", ""))
    if kind not in list(FaultKind):
        raise BadArgument(f"{kind[:40]!a} is no fault: use one of {', '.join(FaultKind)}.")
    found: dict[str, Any] = {"kind": FaultKind(kind)}
    for key, value in left.items():
        if key not in _READERS:
            raise BadArgument(f"{key[:40]!a} is no setting of a fault: use one of {', '.join(_READERS)}.")
        try:
            found[key] = _READERS[key](value)
        except (TypeError, ValueError) as error:
            raise BadArgument(f"{key}={str(value)[:40]} cannot be meant.") from error
    try:
        return Fault(**found)
    except ValueError as error:
        raise BadArgument(f"No fault can be so: {error}.") from error


def to_json(fault: Fault) -> dict[str, Any]:
    """Write a fault so that `from_json` makes an equal one."""
    return {
        "kind": str(fault.kind),
        "port": fault.port,
        "op": None if fault.op is None else str(fault.op),
        "words": fault.words,
        "seconds": fault.seconds,
        "after": fault.after,
        "count": _FOREVER if fault.count is None else fault.count,
    }


_READERS: Final[Mapping[str, Any]] = {
    "port": lambda value: None if value is None else str(value),
    "op": lambda value: None if value is None else Op(value),
    "words": str,
    "seconds": float,
    "after": int,
    "count": lambda value: None if value == _FOREVER else int(value),
}


def ask(path: Path, message: Mapping[str, Any], *, patience: float = 10.0) -> Any:
    """Ask a control socket one thing. Raises Unavailable if no lab listens there, BadArgument if it says no."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(patience)
            line.connect(str(path))
            line.sendall(json.dumps(message).encode() + b"\n")
            with line.makefile("rb") as stream:
                reply = json.loads(stream.readline(LONGEST))
    except (OSError, ValueError) as error:
        raise Unavailable(f"No lab answers at {path}: is it up?", detail=str(error)) from error
    match reply:
        case {"ok": found}:
            return found
        case {"error": str() as words}:
            raise BadArgument(words)
    raise Unavailable(f"What listens at {path} is no lab.", detail=str(reply)[:200])
