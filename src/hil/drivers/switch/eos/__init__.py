"""Arista EOS through eAPI: one configuration session per batch, committed on a timer, read back, confirmed."""
