"""Cisco NX-OS over NX-API or SSH: each port a trunk, its allowed list written whole, its native parked if unwanted."""
