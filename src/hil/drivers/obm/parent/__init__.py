"""A node of another HIL as a controller: what its tenant may do to it there, a HIL below may hand on to its own."""
