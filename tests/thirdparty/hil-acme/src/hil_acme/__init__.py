"""HIL driver for Acme switches: a line of text for each port, over TCP."""
