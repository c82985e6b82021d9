"""obmd: the one process that holds addresses and passwords of BMCs."""
