"""A Juniper switch: `rule` is what it forwards, `documents` its configuration as XML, `server` its NETCONF."""

from hil.lab.devices.junos.server import EMULATOR

__all__ = ["EMULATOR"]
