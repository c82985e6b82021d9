"""HIL as processes: what `hil serve` starts, how it says that it is ready, and how it stops.

A composition root: it ties configuration, store, API and worker together and holds no rule of its own.
"""
