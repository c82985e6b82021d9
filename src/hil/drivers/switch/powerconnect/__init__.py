"""Dell PowerConnect 5500 switches: an old command line over SSH that asks for the password in the shell."""
