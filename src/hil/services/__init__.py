"""The verbs of HIL, named noun first. They ask, in conditional writes; never commit, never speak to a device."""
