"""The lab's tables without a socket: what the driver's session asks is answered at once, and watched."""

from collections.abc import Callable, Sequence
from typing import Any

from pysnmp.proto import rfc1902

from hil.core.devices import Writer
from hil.drivers.switch.snmp.session import SnmpSession
from hil.drivers.switch.snmp.spec import SPEC
from hil.drivers.transport.snmp import Bind, Failure, Kind, Oid, Value
from hil.lab.devices import emulator
from hil.lab.devices.model import Device
from hil.lab.devices.snmp.tables import Rejected, Tables

CONFIG = SPEC.validate({"hostname": "lab", "username": "hil", "auth_password": "12345678", "priv_password": "12345678"})
WRITER = Writer(1, lambda: None)


class Direct:
    """Has the face of `transport.snmp.Snmp`. `after` is called when a set was obeyed."""

    device = "lab"

    def __init__(self, device: Device, after: Callable[[], None] = lambda: None) -> None:
        self.tables, self.after, self.sets, self.closed = (
            Tables(device, b"\x80lab!"),
            after,
            list[Sequence[Bind]](),
            False,
        )

    async def get(self, oids: Sequence[Oid]) -> list[Value]:
        objects = self.tables.objects()
        return [plain(objects.get(oid)) for oid in oids]

    async def walk(self, *roots: Oid) -> list[dict[Oid, Value]]:
        objects = self.tables.objects()
        return [
            {oid[len(root) :]: plain(value) for oid, value in objects.items() if oid[: len(root)] == root}
            for root in roots
        ]

    async def set(self, binds: Sequence[Bind], writer: Writer) -> Failure | None:
        writer.check()
        self.sets.append(binds)
        device = self.tables.device
        candidate = device.config.copy()
        for place, bind in enumerate(binds):
            value = rfc1902.OctetString(bind.value) if bind.kind is Kind.OCTETS else rfc1902.Integer32(bind.value)
            try:
                self.tables.set(candidate, bind.oid, value)
            except Rejected as error:
                return Failure(place, str(error))
        device.config = candidate
        self.after()
        return None

    def close(self) -> None:
        self.closed = True


def plain(value: Any) -> Value:
    if value is None:
        return None
    return bytes(value.asOctets()) if hasattr(value, "asOctets") else int(value)


def session(direct: Direct, **config: Any) -> SnmpSession:
    return SnmpSession(direct, {**CONFIG, **config})


def lab(*ports: str) -> Device:
    return emulator("snmp").device("lab", ports or ("p1", "p2", "p3"))
