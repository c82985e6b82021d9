"""HIL, the Hardware Isolation Layer: allocate machines and networks, and connect the one to the other.

This package refuses to do anything on import: no configuration is read, no plug-in is loaded and nothing is
re-exported here, so that a tenant who wants only `hil.client` gets only that.
"""

__version__ = "0.1.0"
