"""Dell OS9 (FTOS) switches: command line over SSH, where VLANs list their ports."""
