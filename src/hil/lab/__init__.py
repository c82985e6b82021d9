"""The virtual data centre: everything that HIL needs around it, on one machine, with faults to be had on request."""
