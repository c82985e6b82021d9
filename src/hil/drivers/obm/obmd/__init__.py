"""A foreign server of the original OBMd's protocol: somebody else holds the controller, and we hold a token."""
