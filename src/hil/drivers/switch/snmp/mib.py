"""The objects that this driver reads and writes, and lists of ports as bits.

BRIDGE-MIB (RFC 4188), Q-BRIDGE-MIB (RFC 4363), IF-MIB (RFC 2863), IEEE8023-LAG-MIB (IEEE 802.3-2005, 30C),
LLDP-MIB (IEEE 802.1AB-2005), ENTITY-MIB (RFC 4133), SNMP-FRAMEWORK-MIB (RFC 3411).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

Oid = tuple[int, ...]


def _oid(text: str) -> Oid:
    return tuple(int(part) for part in text.split("."))


SYS_DESCR: Final = _oid("1.3.6.1.2.1.1.1.0")
ENGINE_ID: Final = _oid("1.3.6.1.6.3.10.2.1.1.0")

BASE_PORT_IF_INDEX: Final = _oid("1.3.6.1.2.1.17.1.4.1.2")
"""dot1dBasePortIfIndex: Q-BRIDGE counts bridge ports, which are not ifIndex."""
IF_NAME: Final = _oid("1.3.6.1.2.1.31.1.1.1.1")
IF_DESCR: Final = _oid("1.3.6.1.2.1.2.2.1.2")
IF_TYPE: Final = _oid("1.3.6.1.2.1.2.2.1.3")
IF_ADMIN: Final = _oid("1.3.6.1.2.1.2.2.1.7")
AGGREGATOR: Final = _oid("1.2.840.10006.300.43.1.2.1.1.13")
"""dot3adAggPortAttachedAggID, by ifIndex of the member."""

EGRESS: Final = _oid("1.3.6.1.2.1.17.7.1.4.3.1.2")
UNTAGGED: Final = _oid("1.3.6.1.2.1.17.7.1.4.3.1.4")
ROW_STATUS: Final = _oid("1.3.6.1.2.1.17.7.1.4.3.1.5")
PVID: Final = _oid("1.3.6.1.2.1.17.7.1.4.5.1.1")
FRAME_TYPES: Final = _oid("1.3.6.1.2.1.17.7.1.4.5.1.2")
INGRESS: Final = _oid("1.3.6.1.2.1.17.7.1.4.5.1.3")
FDB_PORT: Final = _oid("1.3.6.1.2.1.17.7.1.2.2.1.2")
FDB_STATUS: Final = _oid("1.3.6.1.2.1.17.7.1.2.2.1.3")
VLAN_FDB: Final = _oid("1.3.6.1.2.1.17.7.1.4.2.1.3")
"""dot1qVlanFdbId, by time mark and VLAN: which filtering database a VLAN learns in."""

LLDP_LOCAL_SUBTYPE: Final = _oid("1.0.8802.1.1.2.1.3.7.1.2")
LLDP_LOCAL_PORT: Final = _oid("1.0.8802.1.1.2.1.3.7.1.3")
LLDP_CHASSIS_SUBTYPE: Final = _oid("1.0.8802.1.1.2.1.4.1.1.4")
LLDP_CHASSIS: Final = _oid("1.0.8802.1.1.2.1.4.1.1.5")
LLDP_PORT_SUBTYPE: Final = _oid("1.0.8802.1.1.2.1.4.1.1.6")
LLDP_PORT: Final = _oid("1.0.8802.1.1.2.1.4.1.1.7")
LLDP_NAME: Final = _oid("1.0.8802.1.1.2.1.4.1.1.9")

ENTITY_CLASS: Final = _oid("1.3.6.1.2.1.47.1.1.1.1.5")
ENTITY_FIRMWARE: Final = _oid("1.3.6.1.2.1.47.1.1.1.1.10")
ENTITY_SERIAL: Final = _oid("1.3.6.1.2.1.47.1.1.1.1.11")
ENTITY_MODEL: Final = _oid("1.3.6.1.2.1.47.1.1.1.1.13")
CHASSIS: Final = 3

UP, DOWN = 1, 2
TRUE, FALSE = 1, 2
ADMIT_ALL, ADMIT_TAGGED, ADMIT_UNTAGGED = 1, 2, 3
ACTIVE, CREATE_AND_GO = 1, 4
LEARNED: Final = 3
ETHERNET: Final = 6
MAC_ADDRESS_CHASSIS, MAC_ADDRESS_PORT = 4, 3
"""LldpChassisIdSubtype and LldpPortIdSubtype of a MAC address."""


def ports(bits: bytes) -> frozenset[int]:
    """Read a PortList: the high-order bit of the first octet is bridge port 1.

    >>> sorted(ports(bytes.fromhex("8001")))
    [1, 16]
    """
    return frozenset(
        8 * at + place + 1 for at, octet in enumerate(bits) if octet for place in range(8) if octet & 0x80 >> place
    )


def changed(bits: bytes, *, clear: Iterable[int] = (), add: Iterable[int] = ()) -> bytes:
    """Change single ports of a PortList and keep its length, unless a port lies beyond it.

    >>> changed(bytes.fromhex("c0"), clear=[1], add=[8]).hex()
    '41'
    """
    new = bytearray(bits)
    for port in clear:
        if (port - 1) // 8 < len(new):
            new[(port - 1) // 8] &= 0xFF ^ 0x80 >> (port - 1) % 8
    for port in add:
        new.extend(bytes(max(0, (port - 1) // 8 + 1 - len(new))))
        new[(port - 1) // 8] |= 0x80 >> (port - 1) % 8
    return bytes(new)
