"""What a VDX or SLX switch says of itself: XML of one port's configuration, judged without guessing.

Only a port in `trunk-no-default-native` is a state, or one that is shut. A list with `all` or `except`, a native VLAN
beside that mode, or any word that is not known here makes a port not representable. Documents with a document type are
refused unread: entities could make them grow without end. Functions here raise ValueError about what is no XML.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Final

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, Observed, PortState
from hil.core.vlans import unfold, vlan_id
from hil.core.wiring import About, Mac, Neighbour, canonical_mac
from hil.drivers.switch.slx.render import MODE

_TRUNK: Final = frozenset({"allowed", "tag", "native-vlan-untagged-config"})


def xml(body: bytes) -> ET.Element:
    """Read a document, its namespaces left out. Raises ValueError."""
    if b"<!" in body:
        raise ValueError("a document with a document type or comments")
    try:
        root = ET.fromstring(body)  # noqa: S314 - without a document type there are no entities to expand
    except ET.ParseError as error:
        raise ValueError(f"no XML: {error}") from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def names(body: bytes) -> list[str]:
    """Read the names of a collection of ports, each told by its name alone."""
    return [name for element in xml(body).iter() if (name := _text(element, "name"))]


def port(body: bytes) -> tuple[Observed, str]:
    """Read one port; answer the link aggregation that it is a member of, if any, beside it."""
    root, raw = xml(body), body.decode("utf-8", "replace")[:4000]
    found = root if root.find("name") is not None else next(iter(root), root)
    group = found.find("channel-group")
    if group is not None and len(group):
        lag = f"port channel {_text(group, 'port-int') or '(unnamed)'}"
        return Observed(None, f"a member of {lag}", raw), lag
    shutdown = found.find("shutdown")
    if shutdown is not None and (shutdown.text or "").strip() in ("", "true"):
        return Observed(CLOSED, raw=raw), ""
    switchport = found.find("switchport")
    if switchport is None:
        return Observed(None, "no switch port", raw), ""
    try:
        return _switchport(switchport, raw), ""
    except (BadArgument, ValueError) as error:
        return Observed(None, f"no VLANs that HIL can mean: {error}", raw), ""


def _switchport(switchport: ET.Element, raw: str) -> Observed:
    """Raises ValueError or BadArgument about lists and numbers that say nothing."""
    if (mode := _text(switchport, "mode/vlan-mode")) != MODE:
        return Observed(None, f"in mode {mode[:40] or '(none)'}, not {MODE}", raw)
    trunk = switchport.find("trunk")
    parts = [] if trunk is None else list(trunk)
    if unknown := {part.tag for part in parts} - _TRUNK:
        return Observed(None, f"a trunk with {', '.join(sorted(unknown))[:80]}", raw)
    untagged = _text(switchport, "trunk/native-vlan-untagged-config/native-vlan-id-untagged")
    native = vlan_id(untagged) if untagged else None
    return Observed(PortState(native, frozenset(_listed(switchport)) - {native}), raw=raw)


def _listed(switchport: ET.Element) -> Iterator[int]:
    """The VLANs of the trunk; no list is an empty one, for ALL has a word of its own."""
    for part in switchport.findall("trunk/allowed/*"):
        if part.tag != "vlan":
            raise ValueError(f"a list by {part.tag[:40]}")
        for word in part:
            match word.tag:
                case "add":
                    yield from unfold(word.text or "")
                case "none":
                    pass
                case _:
                    raise ValueError(f"a list with {word.tag[:40]}")


def words(body: bytes, status: int) -> str:
    """The reason in an error's body: `error-message`, or whatever text there is."""
    try:
        found = [(e.text or "").strip() for e in xml(body).iter() if e.tag == "error-message"]
    except ValueError:
        found = [body.decode("utf-8", "replace").strip()[:300]]
    return f"{'; '.join(filter(None, found))[:1000] or 'no reason given'} (HTTP {status})"


def job(body: bytes) -> tuple[str, str]:
    """Read the number and the state of a copy: `session-id`, `status`."""
    root = xml(body)
    told = {element.tag: (element.text or "").strip() for element in root.iter()}
    return told.get("session-id", ""), told.get("status", "")


def about(body: bytes) -> About:
    """Read `show-firmware-version`."""
    told = {element.tag: (element.text or "").strip() for element in xml(body).iter()}
    return About(told.get("os-name", ""), told.get("os-version", ""))


def neighbours(body: bytes, interface_type: str) -> tuple[dict[str, list[Neighbour]], str]:
    """Read `get-lldp-neighbor-detail`; answer also where to go on, if there is more (`last-rcvd-ifindex`)."""
    root = xml(body)
    found: dict[str, list[Neighbour]] = {}
    last = ""
    for entry in root.iter("lldp-neighbor-detail"):
        last = _text(entry, "local-interface-ifindex")
        kind, _, name = _text(entry, "local-interface-name").rpartition(" ")
        if not name or kind[:2].lower() != interface_type[:2].lower():
            continue
        chassis, far = _text(entry, "remote-chassis-id"), _text(entry, "remote-interface-name")
        mac = canonical_mac(_text(entry, "remote-interface-mac"))
        found.setdefault(name, []).append(
            Neighbour(
                canonical_mac(chassis) or chassis, canonical_mac(far) or mac or far, _text(entry, "remote-system-name")
            )
        )
    more = any((element.text or "").strip() == "true" for element in root.iter("has-more"))
    return found, last if more else ""


def macs(body: bytes, interface_type: str) -> dict[str, list[Mac]]:
    """Read `get-mac-address-table`: what was learned on ports of this type."""
    found: dict[str, list[Mac]] = {}
    for entry in xml(body).iter("mac-address-table"):
        address = canonical_mac(_text(entry, "mac-address"))
        kind, name = (_text(entry, f"forwarding-interface/interface-{part}") for part in ("type", "name"))
        if (
            address
            and name
            and kind.lower() == interface_type.lower()
            and _text(entry, "mac-type").lower() == "dynamic"
        ):
            vlan = _text(entry, "vlanid")
            found.setdefault(name, []).append(Mac(address, int(vlan) if vlan.isascii() and vlan.isdigit() else None))
    return found


def _text(element: ET.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
