"""The emulated BMC over TCP: a controller of the lab, which can be broken on purpose."""
