"""What the tests of all switch drivers share: the conformance check against the lab's emulators, the order of writes.

`conforms` serves the emulator of a driver, gives the check everything that it asks for, and insists that every promise
was kept and none left untried. `Watched` follows what the ports carry from one command to the next.
"""

import asyncio
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from hypothesis import strategies as st

from hil.core.devices import Capabilities, Save, SwitchSession, Writer
from hil.core.errors import DeviceError
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.quality import grade
from hil.drivers.registry import capabilities_of, open_session_function, switch_spec
from hil.drivers.switch.mock.faults import Fault, FaultKind, Op
from hil.lab.devices import Emulator, Served, emulator
from hil.lab.devices.model import Device, Session
from hil.lab.devices.shell import Terminal
from hil.testing import Report, check_switch_driver
from hil.testing.promises import PROMISES
from tests.switches.control import Hourglass, control_of

NAMES = [promise.__name__ for promise in PROMISES]
GRADED = {
    "refuses_lag_members": "lag",
    "hardens_edge_ports": "edge-hardening",
    "rolls_back_unconfirmed": "confirm-timer",
}
"""Promises that a platform may have nothing for, and the criterion of its grade that must then be exempt."""
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFmAIWTBSLgu4A1l5chCMmPVeaBSUu1mZa6pWGxEBGVA"


@contextmanager
def dead_port() -> Iterator[int]:
    """A TCP port of the loopback that is taken and on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def elsewhere(config: Mapping[str, Any], port: int) -> dict[str, Any]:
    """The same configuration, with another TCP port in it, wherever that stands."""
    found = dict(config)
    if "port" in found:
        return found | {"port": port}
    for key in ("url", "address", "uri", "hostname"):
        if re.search(r":\d+", str(found.get(key, ""))):
            return found | {key: re.sub(r":\d+", f":{port}", found[key], count=1)}
    raise ValueError("no address in the configuration")


async def conforms(
    name: str,
    *,
    served_by: Emulator | None = None,
    settings: Mapping[str, Any] | None = None,
    wrong_login: Mapping[str, Any] | None = None,
    unreachable: Mapping[str, Any] | None = None,
    other_identity: Mapping[str, Any] | None = None,
    unknown_port: str | None = None,
    ports: Sequence[str] | None = None,
    not_tried: Mapping[str, str] | None = None,
) -> Report:
    """Run the whole check of the driver `name` against its emulator. What is not given is made up from the emulator.

    `settings` and `wrong_login` are added to the configuration that the emulator answers. `not_tried` names promises
    that cannot be tried, each with the reason that the caller has; any other must have been kept.
    """
    found = served_by or emulator(name)
    hourglass = Hourglass()
    device = found.device("conforming", sleep=hourglass.sleep)
    spec = switch_spec(name)
    with dead_port() as dead:
        async with found.serve(device) as served:
            config = spec.validate({**served.config, **(settings or {})})
            report = await check_switch_driver(
                open_session_function(spec),
                config,
                list(ports or found.ports[:3]),
                control_of(device, name, hourglass),
                spec=spec,
                wrong_login={**config, **(wrong_login or {"password": "not-this-one"})},
                unreachable={**config, **(unreachable or elsewhere(config, dead))},
                other_identity={**config, **(other_identity or stranger(config))},
                unknown_port=unknown_port or re.sub(r"\d+$", "99", found.ports[0]),
            )
    expected = lacking(name, capabilities_of(spec, config)) | dict(not_tried or {})
    assert report.not_tried.keys() == expected.keys(), str(report)
    assert set(report.kept) == set(NAMES) - expected.keys()
    assert {device.running(port) for port in (ports or found.ports[:3])} == {CLOSED}
    assert not device.sessions
    return report


def lacking(driver: str, capabilities: Capabilities) -> dict[str, str]:
    """The promises that a platform has nothing for, each with its reason, which is the grade's where it has one."""
    marks = grade(driver) or {}
    found = {promise: marks[criterion].reason for promise, criterion in GRADED.items() if marks[criterion].reason}
    if capabilities.save is not Save.EXPLICIT:
        found["tells_failed_saves"] = "it saves by itself"
    if marks["neighbours"].reason and marks["macs"].reason:
        found["tells_who_is_plugged_in"] = marks["macs"].reason
    return found


def stranger(config: Mapping[str, Any]) -> dict[str, str]:
    """A pinned identity that is not the device's: a host key, a certificate, an SNMP engine."""
    others = {"host_key": HOST_KEY, "certificate": "ab" * 32, "engine_id": "80001f8804" + "ab" * 8}
    return {key: other for key, other in others.items() if key in config}


async def opened(name: str, served: Served, **settings: Any) -> SwitchSession:
    """Open a session of the driver with a served emulator."""
    spec = switch_spec(name)
    return await open_session_function(spec)(spec.validate({**served.config, **settings}))


def port_states(
    pool: Sequence[int] = (10, 11, 12, 20, 30, 31, 400), *, nativeless: bool = True
) -> st.SearchStrategy[PortState]:
    """Any state of a port over a few VLANs; small pools make states overlap."""

    def made(vlans: set[int], native: int) -> PortState:
        if not vlans:
            return CLOSED
        chosen = sorted(vlans)[native % len(vlans)] if native or not nativeless else None
        return PortState(chosen, frozenset(vlans - {chosen}))

    return st.builds(made, st.sets(st.sampled_from(list(pool)), max_size=5), st.integers(0, 5))


class Watched:
    """A device whose ports must never carry a VLAN outside old ∪ new; ask `check` after every command."""

    def __init__(self, device: Device, new: Mapping[str, PortState]) -> None:
        self.device, self.new = device, new
        self.old = {port: device.carried(port) for port in new}

    def check(self, after: str = "") -> None:
        for port, new in self.new.items():
            now, old = self.device.carried(port), self.old[port]
            if old.everything:
                continue  # nothing is outside all
            assert not now.everything, f"{port} carries everything after {after!r}"
            before = set(old.tagged) | {old.native}
            extra = (set(now.tagged) | {now.native}) - before - new.vlans - {None}
            assert not extra, f"{port} carries {extra} after {after!r}"

    def reached(self) -> None:
        assert {port: self.device.running(port) for port in self.new} == dict(self.new)


def typed(terminal: Terminal, lines: Iterable[str], watched: Watched) -> None:
    """Type lines into an emulated command line without a server, watching the ports after each; none may be refused."""

    async def all_of_them() -> None:
        for line in lines:
            said = await terminal.obey(line)
            assert not re.search(r"%(?!Warning)|rejected|ERROR|Error", said), (line, said)
            watched.check(line)

    run(all_of_them())


def logged_in(device: Device) -> Session:
    """A session of a device, without the server that would hold it."""
    session = Session(device, "hil#1")
    device.sessions.add(session)
    return session


def arm(device: Device, kind: FaultKind, op: Op | None = None, **settings: Any) -> None:
    device.faults.add(Fault(kind=kind, op=op, **settings))


def writer() -> Writer:
    """A permission to write that never ends."""
    return Writer(1, lambda: None)


async def changed(session: SwitchSession, wants: Mapping[str, PortState]) -> dict[str, DeviceError | None]:
    """Read, and lead ports to what they must become."""
    have = await session.read(list(wants))
    return await session.apply([PortChange(port, have[port].state, want) for port, want in wants.items()], writer())


def run(coroutine: Any) -> Any:
    """Run to the end in a loop of its own."""
    return asyncio.run(coroutine)
