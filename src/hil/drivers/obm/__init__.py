"""Out-of-band drivers, one folder for each kind of controller; their contract is `hil.core.obms`."""
