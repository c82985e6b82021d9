"""A SONiC switch: `rule` is what it forwards, `database` its ConfigDB and patches of it, `server` its commands."""

from hil.lab.devices.sonic.server import EMULATOR

__all__ = ["EMULATOR"]
