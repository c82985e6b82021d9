"""Emulated BMCs: a machine, what can go wrong with its controller, and a TCP port to speak to it."""
