"""Redfish for tenants: each node that a caller holds is a ComputerSystem, and nothing else is there."""
