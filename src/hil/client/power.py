"""The machine behind a node: `client.power` for the machine itself, `client.obm` for whether it may be reached.

What changes a machine is sent once and never repeated: whoever loses the answer reads the state.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hil.client.connection import Connection, path
from hil.client.decode import Shape
from hil.client.errors import PowerTimeout, UnexpectedAnswer
from hil.client.settings import loopback

LONGER = 30.0
"""Seconds that a controller may take beyond what HIL itself may."""
GLANCE = 1.0
"""Seconds between two looks at a machine that is to come on or go off."""


@dataclass(frozen=True, kw_only=True)
class Obm(Shape):
    """`kind` is `obmd`, `original` or None; `settled` False: what was handed out may still be alive."""

    kind: str | None = None
    enabled: bool
    settled: bool
    uri: str | None = None


@dataclass(frozen=True, kw_only=True)
class PowerState(Shape):
    """`power` is on or off; `age` seconds ago the controller said so."""

    power: str
    read_at: datetime | None = None
    age: float = 0.0

    @property
    def on(self) -> bool:
        return self.power == "on"


@dataclass(frozen=True, kw_only=True)
class Boot(Shape):
    """What overrides a machine's boot order; `uefi` None: as the machine has it."""

    device: str
    persistent: bool = False
    uefi: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Sensor(Shape):
    name: str
    value: float | None = None
    unit: str = ""
    state: str = ""


@dataclass(frozen=True, kw_only=True)
class HardwareEvent(Shape):
    """An entry of the hardware's own log."""

    id: str
    at: datetime | None = None
    severity: str = ""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Medium(Shape):
    """A slot for virtual media; `image` None: empty."""

    slot: str
    kinds: tuple[str, ...] = ()
    image: str | None = None


@dataclass(frozen=True, kw_only=True)
class FirmwareItem(Shape):
    name: str
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class Abilities(Shape):
    """What a node's controller can do."""

    driver: str
    actions: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    console: bool = False
    sensors: bool = False
    event_log: bool = False
    identify: bool = False
    media: bool = False
    firmware: bool = False


@dataclass(frozen=True, kw_only=True)
class PowerResult(Shape):
    """What became of one node of many; `error` is HIL's problem, None if there was none."""

    node: str
    ok: bool
    error: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ConsoleTicket(Shape):
    """The way to a console: see `hil.client.console`. `capability` is a secret."""

    url: str
    protocol: str
    capability: str = field(repr=False)
    expires_at: datetime


class Power:
    """`client.power`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, node: str, *, max_age: float | None = None) -> PowerState:
        """Whether a node has power; `max_age` 0 asks its controller now. Raises Unavailable."""
        params = {"max_age": None if max_age is None else f"{max_age:g}"}
        return PowerState.of(self._get(node, "power", params))

    def set(self, node: str, action: str) -> None:
        """Send on, off, soft-off, cycle or reset; returns when the controller has taken the order."""
        self._send("POST", node, "power", body={"action": action})

    def wait(self, node: str, on: bool, timeout: float) -> PowerState:
        """Wait until the machine is on, or off. Raises PowerTimeout."""
        end = time.monotonic() + timeout
        while (seen := self.get(node, max_age=0.0)).on is not on:
            if time.monotonic() + GLANCE >= end:
                raise PowerTimeout(f"node {node} is still {seen.power}")
            self._connection.sleep(GLANCE)
        return seen

    def set_many(self, action: str, nodes: Iterable[str] = (), *, selector: str = "") -> Iterator[PowerResult]:
        """Send the same to many nodes in one request; yields what became of each as it ends. Raises UnexpectedAnswer.

        Without nodes, to those that `selector` picks, whose OBM is enabled and whose machines one may change.
        """
        body: dict[str, Any] = {"action": action}
        body |= {"selector": selector} if selector else {"nodes": [*nodes]}
        with self._connection.stream("/power", {}, {}, 300.0, method="POST", body=body) as parts:
            for line in lines(parts):
                if not isinstance(line, dict):
                    raise UnexpectedAnswer("a line of the answer is no JSON object")
                if "asked" in line:
                    return
                yield PowerResult.of(line)
        raise UnexpectedAnswer("the answer broke off: read the power of the nodes that are missing")

    def boot(self, node: str) -> Boot:
        return Boot.of(self._get(node, "boot"))

    def set_boot(self, node: str, device: str, *, persistent: bool = False, uefi: bool | None = None) -> None:
        """Boot from none, pxe, disk, cdrom or bios: the next time, or from now on."""
        self._send("PUT", node, "boot", body={"device": device, "persistent": persistent, "uefi": uefi})

    def sensors(self, node: str) -> tuple[Sensor, ...]:
        return tuple(Sensor.of(item) for item in self._items(node, "sensors"))

    def events(self, node: str, limit: int = 100) -> tuple[HardwareEvent, ...]:
        """The newest entries of the hardware's log, oldest first."""
        return tuple(HardwareEvent.of(item) for item in self._items(node, "event-log", {"limit": limit}))

    def media(self, node: str) -> tuple[Medium, ...]:
        return tuple(Medium.of(item) for item in self._items(node, "media"))

    def insert(self, node: str, slot: str, image: str) -> None:
        """Put the image at this URL into a slot."""
        self._send("PUT", node, "media", slot, body={"image": image})

    def eject(self, node: str, slot: str) -> None:
        self._send("DELETE", node, "media", slot)

    def identify(self, node: str, seconds: int = 60) -> None:
        """Light the identify LED; 0 puts it out."""
        self._send("POST", node, "identify", body={"seconds": seconds})

    def firmware(self, node: str) -> tuple[FirmwareItem, ...]:
        return tuple(FirmwareItem.of(item) for item in self._items(node, "firmware"))

    def abilities(self, node: str) -> Abilities:
        return Abilities.of(self._get(node, "capabilities"))

    def console(self, node: str, *, watch: bool = False) -> ConsoleTicket:
        """Get the way to a node's console; `watch`: to look on, not to type. Raises UnexpectedAnswer.

        Where HIL is behind TLS, one without is refused: capability and console would cross the network in clear.
        """
        answer = self._connection.call("POST", path("nodes", node, "console"), body={"watch": watch})
        ticket = ConsoleTicket.of(answer.data)
        open_to_all = not ticket.url.startswith("wss:") and not loopback(ticket.url)
        if self._connection.settings.encrypted and open_to_all:
            raise UnexpectedAnswer(
                f"the console of {node} is offered without TLS, though HIL has it", hint="tell an operator"
            )
        return ticket

    def _get(self, node: str, what: str, params: dict[str, Any] | None = None) -> Any:
        """Obmd has tried already what can be tried again, so this is sent once."""
        return self._connection.call("GET", path("nodes", node, what), params=params, wait=LONGER, once=True).data

    def _items(self, node: str, what: str, params: dict[str, Any] | None = None) -> list[Any]:
        found = self._get(node, what, params)
        items = found.get("items") if isinstance(found, dict) else None
        if not isinstance(items, list):
            raise UnexpectedAnswer(f"the {what} of {node} are no list")
        return items

    def _send(self, method: str, node: str, *what: str, body: Any = None) -> None:
        self._connection.call(method, path("nodes", node, *what), body=body, wait=LONGER, once=True)


class Obms:
    """`client.obm`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, node: str) -> Obm:
        return Obm.of(self._connection.call("GET", path("nodes", node, "obm")).data)

    def enable(self, node: str) -> Obm:
        """Enable it, anew each time: what was handed out before is dead, and open consoles are cut."""
        return self._set(node, "enable")

    def disable(self, node: str) -> Obm:
        """Disable it; returns when nothing is alive any more."""
        return self._set(node, "disable")

    def register(self, node: str, uri: str, *, admin_token: str = "") -> Obm:
        """Say which obmd a node has, or with an admin token which foreign OBMd. Operators only."""
        body = {"uri": uri} | ({"admin_token": admin_token} if admin_token else {})
        return Obm.of(self._connection.call("PUT", path("nodes", node, "obm"), body=body).data)

    def remove(self, node: str, *, force: bool = False) -> None:
        """Forget which OBMd a node has; `force`: it is gone for good. Operators only."""
        params = {"force": "true"} if force else {}
        self._connection.call("DELETE", path("nodes", node, "obm"), params=params)

    def _set(self, node: str, verb: str) -> Obm:
        answer = self._connection.call("POST", path("nodes", node, "obm", verb), wait=LONGER, once=True)
        return Obm.of(answer.data)


def lines(parts: Iterable[bytes]) -> Iterator[Any]:
    """JSON values, one in each line of a stream that ends anywhere; half a line at the end is none."""
    rest = b""
    for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            try:
                yield json.loads(line)
            except ValueError:
                raise UnexpectedAnswer("a line of the answer is no JSON") from None
