"""Machines of the lab: QEMU guests on the cables of its Open vSwitch, each with a BMC that speaks a real protocol."""
