"""Another HIL as a device of the lab: a real one, in this process, with an emulated switch of its own behind it.

What the device holds is what the parent's own switch holds, so nothing can seem to be done that is not on the wire.
Faults of the way to it are played in front of its API; a refusal, a lie, a half-done write or a failed save strikes on
the parent's own switch, where the real parent has to cope with it. Changes by hand are made through the parent's own
services, as another member of the project would make them. It is up for as long as it is served.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hil.api.app import close_streams, create_app
from hil.auth.database import DatabaseBackend
from hil.core.model import PortState
from hil.drivers.switch.mock.device import Carried, EmulatedSwitch, Held
from hil.drivers.switch.mock.faults import Fault, FaultKind, Faults, Op
from hil.lab.devices import Served
from hil.lab.devices.model import Config, Device, PortConfig
from hil.lab.devices.parent_front import Front, served
from hil.lab.devices.parent_site import LEAF_PASSWORD, PROJECT, TEMPLATE, Site, site_of, slots

INSIDE: Final = frozenset({FaultKind.REFUSE, FaultKind.LIE, FaultKind.HALF, FaultKind.FAIL_SAVE})
"""Faults of the parent's own switch."""


class _Inside(Faults):
    """The device's faults as the parent's own switch meets them."""

    def __init__(self, armed: Faults) -> None:
        super().__init__()
        self._all = armed

    def __bool__(self) -> bool:
        return bool(self._all)

    def strike(self, kind: FaultKind, op: Op, port: str | None = None) -> Fault | None:
        return self._all.strike(kind, op, port) if kind in INSIDE else None


class _Leaf:
    """A rule that asks the parent's own switch."""

    def __init__(self, leaf: EmulatedSwitch) -> None:
        self._leaf = leaf

    def carried(self, config: Config, port: str) -> Carried:
        return self._leaf.carried(port)

    def held(self, config: Config, port: str) -> Held:
        return self._leaf.running(port)

    def configured(self, config: Config, port: str, held: Held) -> PortConfig:
        """The parent keeps books, not lines of configuration."""
        return config.ports[port]


class ParentDevice(Device):
    """See the module. `leaf` is the parent's own switch."""

    def __init__(self, name: str, ports: Iterable[str], **settings: Any) -> None:
        self.leaf = EmulatedSwitch(f"{name}-leaf", ports=ports, username="hil", password=LEAF_PASSWORD)
        super().__init__(name, _Leaf(self.leaf), self.leaf.ports(), **settings)
        self.leaf.faults, self.leaf.clock, self.log = _Inside(self.faults), self.clock, self.leaf.log
        self.site: Site | None = None
        self._hands: set[asyncio.Task[None]] = set()

    def startup(self, port: str) -> Held:
        return self.leaf.startup(port)

    @property
    def unsaved(self) -> frozenset[str]:
        return self.leaf.unsaved

    def set_by_hand(self, port: str, held: Held) -> None:
        """Ask the parent for it; a state that HIL cannot mean is a network that stands for no VLAN.

        A network that changes its channel needs a second request, which follows once the first is done.
        """
        site = self._running_site()
        first, then = site.steps(port, slots(held if isinstance(held, PortState) else None))
        site.ask(first or then)
        if first:
            task = asyncio.get_running_loop().create_task(self._after(then))
            self._hands.add(task)
            task.add_done_callback(self._hands.discard)

    async def _after(self, then: list[Any]) -> None:
        site = self._running_site()
        await site.settled()
        site.ask(then)

    def reboot(self) -> None:
        """Take the power from the parent's switch, and from every connection to the parent."""
        self.drop_sessions()
        self.leaf.reboot()

    def _running_site(self) -> Site:
        if self.site is None:
            raise RuntimeError(f"{self.name} is not served: a HIL that does not run has no hands")
        return self.site


class ParentEmulator:
    """The lab's emulator of the platform `hil`."""

    ports: tuple[str, ...] = ("node-01/eth0", "node-01/eth1", "node-02/eth0", "node-03/eth0")

    def device(self, name: str, ports: tuple[str, ...] | None = None, **settings: Any) -> Device:
        return ParentDevice(name, self.ports if ports is None else ports, **settings)

    @asynccontextmanager
    async def serve(self, device: Device) -> AsyncIterator[Served]:
        if not isinstance(device, ParentDevice):
            raise TypeError("this emulator serves its own devices alone")
        context, certificate = certified()
        async with AsyncExitStack() as stack:
            site, token = await stack.enter_async_context(site_of(device.leaf))
            backend = stack.enter_context(closing(DatabaseBackend({}, site.store)))
            app = create_app(site.store, backend)
            port = await stack.enter_async_context(served(Front(app, device), context))
            stack.callback(close_streams, app)
            device.site = site
            stack.callback(setattr, device, "site", None)
            config = {
                "url": f"https://127.0.0.1:{port}",
                "certificate": certificate,
                "api_key": token,
                "project": PROJECT,
                "networks": TEMPLATE,
            }
            yield Served(device, config)


def certified() -> tuple[ssl.SSLContext, str]:
    """Make a server's TLS context with a certificate of its own for 127.0.0.1, and the certificate as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "parent HIL of the lab")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as directory:
        file = Path(directory) / "server.pem"
        file.write_bytes(secret + pem)
        context.load_cert_chain(file)
    return context, pem.decode()


EMULATOR: Final = ParentEmulator()
