"""The mock switch: HIL's driver contract without a device, as the original API's `mock` type."""
