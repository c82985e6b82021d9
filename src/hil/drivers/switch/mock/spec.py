"""What the mock switch is: the original API's `mock` type, a switch that exists only in a process's memory.

For tests and for trying HIL out. Its state lives in the worker process that opens it and ends with it: two
workers see two switches of the same name. It refuses to pretend otherwise; the `emulated` driver speaks to a
switch that survives.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hil.core.devices import Atomicity, Capabilities, Nativeless, Save, Update
from hil.core.errors import BadArgument
from hil.core.model import PortChange
from hil.drivers.settings import Hostname, Settings, Text, checked
from hil.drivers.switch.mock.render import lines
from hil.drivers.switch.order import check_vlans

_PORT: Final = re.compile(r"(gi|te)([0-9]{1,4}(?:/[0-9]{1,4}){1,2})")

CAPABILITIES: Final = Capabilities(
    nativeless=Nativeless.TRUE,
    update=Update.REPLACE_PORT,
    atomicity=Atomicity.NONE,
    save=Save.EXPLICIT,
    batch_read=True,
)


class MockSettings(Settings):
    """`hostname` names the switch in memory; user name and password are checked if it was given some."""

    hostname: Hostname
    username: Text
    password: Text


@dataclass(frozen=True, slots=True)
class MockSpec:
    name: str = "mock"
    title: str = "Mock switch in the worker's memory"
    v0_type: str | None = "mock"
    capabilities: Capabilities = CAPABILITIES
    secrets: frozenset[str] = field(default=frozenset({"password"}))
    session: str = "hil.drivers.switch.mock.session:open_session"

    def validate(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return checked(MockSettings, config)

    def settings_schema(self) -> dict[str, Any]:
        return MockSettings.model_json_schema()

    def v0_config(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return self.validate(fields)

    def port_name(self, text: str) -> str:
        """Accept `gi` or `te` and two or three numbers: gi1/0/1, te1/3. Case and leading zeros mean nothing.

        >>> SPEC.port_name("GI1/00/1")
        'gi1/0/1'
        """
        found = _PORT.fullmatch(text.lower()) if text.isascii() else None
        if found is None:
            raise BadArgument(f"{text[:40]!a} is no port of a mock switch: use gi or te and numbers, as in gi1/0/1.")
        return found[1] + "/".join(str(int(number)) for number in found[2].split("/"))

    def parked(self, config: Mapping[str, Any]) -> frozenset[int]:
        return frozenset()

    def render(self, config: Mapping[str, Any], batch: Sequence[PortChange]) -> list[str]:
        check_vlans(self.capabilities, (), batch)
        return lines(batch)


SPEC: Final = MockSpec()
