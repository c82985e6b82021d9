"""Any switch whose SNMP agent lets the static tables of Q-BRIDGE-MIB be written (RFC 4363)."""
