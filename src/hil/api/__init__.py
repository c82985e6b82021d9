"""HTTP in, services in the middle, views of the store out. It decides nothing and needs no route to any switch."""
