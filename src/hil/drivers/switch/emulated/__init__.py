"""The emulated switch over TCP: it outlives its workers and can be broken on purpose."""
