"""Bytes to and from devices, and the one place where foreign exceptions become ours."""
