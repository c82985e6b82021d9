"""Dell N-series switches with DNOS 6 (and 5): command line over SSH, trunks with a parked native VLAN."""
