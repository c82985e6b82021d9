"""The lab's configuration without a session: what an edit makes of it, and how it reads then."""

from hil.core.model import PortState
from hil.drivers.switch.junos import parse
from hil.drivers.switch.junos.render import edit
from hil.drivers.xml import parsed
from hil.lab.devices import emulator
from hil.lab.devices.junos.documents import Names, check, configuration, edited
from hil.lab.devices.model import Device

PLAIN = {"edge": True, "protocol": "rstp", "storm_control": ""}


def lab(*ports: str) -> Device:
    return emulator("junos").device("lab", ports or ("ge-0/0/0", "ge-0/0/1", "ge-0/0/2"))


def read(device: Device, names: Names) -> parse.Configuration:
    return parse.configuration(parsed(f"<data>{configuration(device.config, names)}</data>"))


def write(device: Device, names: Names, wants: dict[str, PortState]) -> None:
    """Edit and commit, as the driver would."""
    body = edit(wants, read(device, names), **PLAIN)
    candidate = edited(device.config, names, parsed(body))
    check(candidate)
    device.config = candidate


def configured(inside: str, vlans: str = "", more: str = "") -> parse.Configuration:
    """A configuration with one interface ge-0/0/5, as the device would send it."""
    return parse.configuration(
        parsed(
            '<rpc-reply xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" message-id="1">'
            '<configuration xmlns="http://xml.juniper.net/xnm/1.1/xnm" commit-user="root"><interfaces>'
            f"<interface><name>ge-0/0/5</name>{inside}</interface></interfaces>"
            "<vlans><vlan><name>red</name><vlan-id>10</vlan-id></vlan><vlan><name>blue</name><vlan-id>20</vlan-id></vlan>"
            f"<vlan><name>many</name><vlan-id-list>30-40</vlan-id-list></vlan>{vlans}</vlans>{more}</configuration>"
            "</rpc-reply>"
        )
    )


def unit(mode: str, *members: str) -> str:
    inside = "".join(f"<members>{member}</members>" for member in members)
    return (
        f"<unit><name>0</name><family><ethernet-switching><interface-mode>{mode}</interface-mode>"
        f"<vlan>{inside}</vlan></ethernet-switching></family></unit>"
    )
