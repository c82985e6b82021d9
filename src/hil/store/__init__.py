"""What HIL remembers: tables, units of work, the journal, leases of lanes. It decides nothing, speaks to no device."""
