"""What a VDX or SLX switch is told: requests on one port's part of the configuration, in an order that never widens.

Every port is put into `trunk-no-default-native`: in plain trunk mode a native VLAN always exists and its tagged frames
are always forwarded (NOS 4.1.1 administrator's guide, page 393). The untagged VLAN is then `native-vlan-untagged`. A
port that HIL opens or has already opened is in that mode, so that only the difference is written; any other port is
shut before its mode is touched. A VLAN is taken out before another takes its place, and the port is opened last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hil.core.model import CLOSED, PortChange
from hil.core.vlans import fold

ROOT: Final = "/rest/config/running/interface"
MODE: Final = "trunk-no-default-native"
THERE, GONE = frozenset({409}), frozenset({404})
"""Statuses that say: it is so already. What is created may exist, what is deleted may be gone."""


@dataclass(frozen=True, slots=True)
class Request:
    """One change of one port; `tolerated` statuses are as good as success."""

    port: str
    method: str
    path: str
    body: str = ""
    tolerated: frozenset[int] = frozenset()

    @property
    def makes_vlan(self) -> bool:
        return self.path == ROOT

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.body}".rstrip()


def port_path(config: Mapping[str, Any], port: str) -> str:
    """The address of a port: its name holds slashes, and stands in quotes for that."""
    return f"{ROOT}/{config['interface_type']}/%22{port}%22"


def requests(config: Mapping[str, Any], change: PortChange) -> list[Request]:
    """Render one change."""
    path = port_path(config, change.port)
    if not change.want.enabled:
        steps = [_shut(path), *_mode(path), *_emptied(path)]
    elif change.have is None:
        steps = [_shut(path), *_mode(path), *_emptied(path), *_widened(path, change)]
    elif not change.have.enabled:
        steps = [*_mode(path), *_emptied(path), *_widened(path, change)]
    else:
        steps = [*_narrowed(path, change), *_widened(path, change)]
    return [Request(change.port, *step) for step in steps]


def batch(config: Mapping[str, Any], changes: Iterable[PortChange]) -> list[Request]:
    """Render changes in the order given; a VLAN that several ports need is made once."""
    made: set[str] = set()
    found = []
    for request in (request for change in changes for request in requests(config, change)):
        if request.makes_vlan:
            if request.body in made:
                continue
            made.add(request.body)
        found.append(request)
    return found


_Step = tuple[str, str, str, frozenset[int]]


def _shut(path: str) -> _Step:
    return "POST", path, "<shutdown>true</shutdown>", THERE


def _mode(path: str) -> list[_Step]:
    return [
        ("POST", path, "<switchport></switchport>", THERE),
        ("PUT", f"{path}/switchport/mode", f"<mode><vlan-mode>{MODE}</vlan-mode></mode>", frozenset()),
    ]


def _emptied(path: str) -> list[_Step]:
    return [_list(path, "<none>true</none>"), _no_native(path)]


def _narrowed(path: str, change: PortChange) -> list[_Step]:
    """Take out what the port carries and shall not, or not so."""
    have = change.have or CLOSED
    gone = have.tagged - change.want.tagged
    steps = [_list(path, f"<remove>{fold(gone)}</remove>")] if gone else []
    return steps + ([_no_native(path)] if have.native not in (None, change.want.native) else [])


def _widened(path: str, change: PortChange) -> list[_Step]:
    """Add what it does not carry yet, and open the port."""
    have, want = change.have or CLOSED, change.want
    steps: list[_Step] = [
        ("POST", ROOT, f"<Vlan><name>{vlan}</name></Vlan>", THERE) for vlan in sorted(want.vlans - have.vlans)
    ]
    if new := want.tagged - have.tagged:
        steps.append(_list(path, f"<add>{fold(new)}</add>"))
    if want.native not in (None, have.native):
        body = f"<native-vlan-id-untagged>{want.native}</native-vlan-id-untagged>"
        untagged = f"<native-vlan-untagged-config>{body}</native-vlan-untagged-config>"
        steps.append(("PUT", f"{path}/switchport/trunk/native-vlan-untagged-config", untagged, frozenset()))
    return steps if have.enabled else [*steps, ("DELETE", f"{path}/shutdown", "", GONE)]


def _list(path: str, body: str) -> _Step:
    return "PUT", f"{path}/switchport/trunk/allowed/vlan", f"<vlan>{body}</vlan>", frozenset()


def _no_native(path: str) -> _Step:
    return "DELETE", f"{path}/switchport/trunk/native-vlan-untagged-config", "", GONE
