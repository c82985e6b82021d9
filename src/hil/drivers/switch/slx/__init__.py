"""Brocade VDX (NOS) and Extreme SLX-OS through their REST interface: one port after the other, each request checked."""
