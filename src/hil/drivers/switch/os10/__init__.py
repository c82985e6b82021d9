"""Dell SmartFabric OS10 switches: command line over SSH, one transaction per batch."""
