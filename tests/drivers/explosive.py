"""A driver package that cannot even be imported."""

SPEC = 1 / 0
