"""NVIDIA Cumulus Linux through the NVUE REST API: one revision per batch, applied whole, saved separately."""
