"""Open vSwitch through its database: one atomic transaction per batch, applied and read back."""
