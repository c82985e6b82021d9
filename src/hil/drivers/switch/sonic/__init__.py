"""SONiC, the network operating system of many makers' switches: patches of ConfigDB over SSH."""
