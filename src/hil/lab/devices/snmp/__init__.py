"""A switch that is known by its SNMP agent: `rule` is what it forwards, `tables` its MIB, `agent` its protocol."""

from hil.lab.devices.snmp.agent import EMULATOR

__all__ = ["EMULATOR"]
