"""The MIB of an emulated Q-BRIDGE switch: every object as a value, and what setting one does. No socket.

A message of sets is worked off on a copy of the configuration, and the copy is taken or dropped as a whole (RFC 3416,
section 4.2.5). As most agents do, it wants VLANs to exist before they are a PVID, refuses lists that name ports which
there are not, and takes whoever leaves a VLAN off its list of untagged ports.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from pysnmp.proto import rfc1902

from hil.drivers.switch.snmp import mib
from hil.drivers.switch.snmp.mib import Oid
from hil.lab.devices.model import Config, Device
from hil.lab.devices.snmp import rule

SERIAL: Final[Oid] = (1, 3, 6, 1, 6, 3, 1, 1, 6, 1, 0)
VENDOR: Final[Oid] = (1, 3, 6, 1, 4, 1, 32473, 7)
"""Below the number that RFC 5612 keeps for documentation."""
SAVE: Final[Oid] = (*VENDOR, 1, 0)
ERROR: Final[Oid] = (*VENDOR, 2, 0)


class Rejected(Exception):
    """A bind that the agent does not take: the name of the error (RFC 3416, section 3)."""


class Tables:
    """The objects of one device; `serial` is the advisory lock, `error` the words of the last refusal."""

    def __init__(self, device: Device, engine_id: bytes) -> None:
        self.device, self.engine_id, self.serial, self.error = device, engine_id, 0, ""
        self.bases = {port: at for at, port in enumerate(device.ports(), 1)}

    def index(self, port: str) -> int:
        """ifIndex: never the number of the bridge port, so that nobody mixes them up unseen."""
        return 100 + self.bases[port]

    def objects(self) -> dict[Oid, Any]:
        """Every object as it is now."""
        found: dict[Oid, Any] = {
            mib.SYS_DESCR: rfc1902.OctetString("HIL lab switch"),
            mib.ENGINE_ID: rfc1902.OctetString(self.engine_id),
            SERIAL: rfc1902.Integer32(self.serial),
            ERROR: rfc1902.OctetString(self.error),
            (*mib.ENTITY_CLASS, 1): rfc1902.Integer32(mib.CHASSIS),
            (*mib.ENTITY_MODEL, 1): rfc1902.OctetString("QB-48"),
            (*mib.ENTITY_FIRMWARE, 1): rfc1902.OctetString("7.4.1"),
            (*mib.ENTITY_SERIAL, 1): rfc1902.OctetString(f"LAB{len(self.bases):05d}"),
        }
        for port in self.bases:
            found |= self._interface(port)
        for vlan in self.device.config.vlans:
            found |= self._vlan(vlan)
        return found | self._aggregators() | self._wiring()

    def _interface(self, port: str) -> dict[Oid, Any]:
        entry, index, base = self.device.config.ports[port], self.index(port), self.bases[port]
        return {
            (*mib.IF_NAME, index): rfc1902.OctetString(port),
            (*mib.IF_DESCR, index): rfc1902.OctetString(f"Ethernet port {port}"),
            (*mib.IF_TYPE, index): rfc1902.Integer32(mib.ETHERNET),
            (*mib.IF_ADMIN, index): rfc1902.Integer32(mib.DOWN if entry.shut else mib.UP),
            (*mib.BASE_PORT_IF_INDEX, base): rfc1902.Integer32(index),
            (*mib.PVID, base): rfc1902.Unsigned32(entry.native),
            (*mib.FRAME_TYPES, base): rfc1902.Integer32(rule.frames(entry)),
            (*mib.INGRESS, base): rfc1902.Integer32(mib.TRUE if "filter" in entry.lines else mib.FALSE),
        }

    def _vlan(self, vlan: int) -> dict[Oid, Any]:
        ports = self.device.config.ports
        return {
            (*mib.EGRESS, vlan): self._list(port for port in self.bases if vlan in rule.egress(ports[port])),
            (*mib.UNTAGGED, vlan): self._list(port for port in self.bases if vlan in rule.untagged(ports[port])),
            (*mib.ROW_STATUS, vlan): rfc1902.Integer32(mib.ACTIVE),
            (*mib.VLAN_FDB, 0, vlan): rfc1902.Unsigned32(vlan),
        }

    def _list(self, ports: Iterable[str]) -> Any:
        empty = bytes((len(self.bases) + 7) // 8)
        return rfc1902.OctetString(mib.changed(empty, add=[self.bases[port] for port in ports]))

    def _aggregators(self) -> dict[Oid, Any]:
        lags = sorted({entry.lag for entry in self.device.config.ports.values() if entry.lag})
        found: dict[Oid, Any] = {}
        for at, lag in enumerate(lags):
            found[(*mib.IF_NAME, rule.LAG_INDEX + at)] = rfc1902.OctetString(lag)
            found[(*mib.IF_TYPE, rule.LAG_INDEX + at)] = rfc1902.Integer32(161)
        for port, entry in self.device.config.ports.items():
            attached = rule.LAG_INDEX + lags.index(entry.lag) if entry.lag else 0
            found[(*mib.AGGREGATOR, self.index(port))] = rfc1902.Integer32(attached)
        return found

    def _wiring(self) -> dict[Oid, Any]:
        found: dict[Oid, Any] = {}
        for port, base in self.bases.items():
            found[(*mib.LLDP_LOCAL_SUBTYPE, base)] = rfc1902.Integer32(5)
            found[(*mib.LLDP_LOCAL_PORT, base)] = rfc1902.OctetString(port)
            for mac in self.device.macs.get(port, ()):
                index = (mac.vlan or 1, *bytes.fromhex(mac.address.replace(":", "")))
                found[(*mib.FDB_PORT, *index)] = rfc1902.Integer32(base)
                found[(*mib.FDB_STATUS, *index)] = rfc1902.Integer32(mib.LEARNED)
            for at, told in enumerate(self.device.neighbours.get(port, ()), 1):
                index = (0, base, at)
                found |= _identity(told.chassis, index, mib.LLDP_CHASSIS_SUBTYPE, mib.LLDP_CHASSIS, 4, 7)
                found |= _identity(told.port, index, mib.LLDP_PORT_SUBTYPE, mib.LLDP_PORT, 3, 5)
                found[(*mib.LLDP_NAME, *index)] = rfc1902.OctetString(told.name)
        return found

    # Setting.

    def set(self, into: Config, oid: Oid, value: Any) -> None:
        """Set one object in a copy of the configuration. Raises Rejected."""
        column, last = oid[:-1], oid[-1]
        if column in (mib.EGRESS, mib.UNTAGGED):
            self._set_list(into, column, last, bytes(value.asOctets()))
        elif column == mib.ROW_STATUS:
            _set_row(into, last, int(value))
        elif column in (mib.PVID, mib.FRAME_TYPES, mib.INGRESS, mib.IF_ADMIN):
            self._set_port(into, column, last, int(value))
        else:
            raise Rejected("notWritable")

    def _set_list(self, into: Config, column: Oid, vlan: int, bits: bytes) -> None:
        if vlan not in into.vlans:
            raise Rejected("inconsistentName")
        named = mib.ports(bits)
        if named - set(self.bases.values()):
            raise Rejected("wrongValue")
        change = rule.with_egress if column == mib.EGRESS else rule.with_untagged
        for port, base in self.bases.items():
            if column == mib.UNTAGGED and base in named and vlan not in rule.egress(into.ports[port]):
                raise Rejected("inconsistentValue")
            into.ports[port] = change(into.ports[port], vlan, base in named)

    def _set_port(self, into: Config, column: Oid, last: int, value: int) -> None:
        number = self.index if column == mib.IF_ADMIN else self.bases.__getitem__
        port = next((port for port in self.bases if number(port) == last), None)
        if port is None:
            raise Rejected("noCreation")
        entry = into.ports[port]
        if column == mib.PVID:
            if value not in into.vlans:
                raise Rejected("inconsistentValue")
            entry = replace(entry, native=value)
        elif column == mib.IF_ADMIN and value in (mib.UP, mib.DOWN):
            entry = replace(entry, shut=value == mib.DOWN)
        elif column == mib.FRAME_TYPES and value in (1, 2, 3):
            entry = rule.with_frames(entry, value)
        elif column == mib.INGRESS and value in (mib.TRUE, mib.FALSE):
            entry = replace(entry, lines=entry.lines | {"filter"} if value == mib.TRUE else entry.lines - {"filter"})
        else:
            raise Rejected("wrongValue")
        into.ports[port] = entry


def _set_row(into: Config, vlan: int, status: int) -> None:
    if not 1 <= vlan <= 4094:
        raise Rejected("noCreation")
    if status == mib.CREATE_AND_GO:
        if vlan in into.vlans:
            raise Rejected("inconsistentValue")
        into.vlans.add(vlan)
    elif status != mib.ACTIVE or vlan not in into.vlans:
        raise Rejected("wrongValue" if status != mib.ACTIVE else "inconsistentName")


def _identity(text: str, index: Oid, kinds: Oid, values: Oid, mac: int, name: int) -> dict[Oid, Any]:
    """An LLDP id: six octets if it is a MAC address, else a name."""
    digits = text.replace(":", "")
    is_mac = len(digits) == 12 and text.count(":") == 5
    value = rfc1902.OctetString(bytes.fromhex(digits) if is_mac else text)
    return {(*kinds, *index): rfc1902.Integer32(mac if is_mac else name), (*values, *index): value}
