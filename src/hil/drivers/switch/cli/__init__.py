"""Command lines of switches, read and written: what all such platforms share, as data and small functions."""
