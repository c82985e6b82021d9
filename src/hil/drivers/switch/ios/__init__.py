"""Cisco IOS and IOS XE over SSH: each port a trunk, its allowed list written whole, its native parked if unwanted."""
