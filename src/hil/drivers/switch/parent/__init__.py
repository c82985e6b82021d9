"""A project at another HIL as a switch: its ports are the NICs of the project's nodes."""
