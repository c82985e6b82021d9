"""One module per noun. Each is imported when one of its commands is called, and none knows another."""
