"""Controllers that speak IPMI 2.0 over the LAN (RMCP+), through ipmitool."""
