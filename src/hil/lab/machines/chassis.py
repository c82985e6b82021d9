"""What ipmi_sim runs for everything that concerns the machine: `chassis.py SOCKET get|set ITEM [VALUE]`.

ipmi_sim stands still until it ends, so it imports next to nothing, and nothing of ours. It answers as OpenIPMI's
simulator reads it (`power:1`, `boot:pxe`) and ends with 1 for what the machine refuses or what it does not know.
"""

from __future__ import annotations

import json
import socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself takes longer to load than everything else here
    from typing import Any

_DEVICES = {"pxe": "pxe", "default": "disk", "none": "none", "cdrom": "cdrom", "bios": "bios"}
"""The simulator's words. A disk arrives as `default` (OpenIPMI 2.0.33)."""
_WORDS = {device: word for word, device in _DEVICES.items()}
_PATIENCE = 30.0


def ask(path: str, **request: object) -> Any:
    """Ask the machine one thing; end with 1 if it says no."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(_PATIENCE)
        line.connect(path)
        line.sendall(json.dumps(request).encode() + b"\n")
        with line.makefile("rb") as stream:
            reply = json.loads(stream.readline())
    if "ok" not in reply:
        raise SystemExit(1)
    return reply["ok"]


def main(path: str, verb: str, item: str, value: str = "") -> None:
    value = value.strip('"')
    match verb, item:
        case "get", "power":
            print(f"power:{int(ask(path, do='power'))}")
        case "get", "boot":
            print(f"boot:{_WORDS[ask(path, do='boot')['device']]}")
        case "set", "power":
            ask(path, do="power-set", action="on" if value == "1" else "off")
        case "set", "reset":
            ask(path, do="power-set", action="reset")
        case "set", "shutdown":
            ask(path, do="power-set", action="soft-off")
        case "set", "boot" if value in _DEVICES:
            ask(path, do="boot-set", device=_DEVICES[value])
        case "set", "identify":
            seconds, _, force = value.partition(" ")
            ask(path, do="identify", on=seconds != "0" or force == "1")
        case _:
            raise SystemExit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
