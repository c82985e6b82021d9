"""Drivers: what HIL must know of each platform, found through entry points and never stored as tables."""
