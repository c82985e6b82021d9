"""Juniper Junos switches (EX, QFX) in Enhanced Layer 2 Software style, by NETCONF."""
