"""Measurements, as ratios within one run: against the devices' own floor, against doing the same work one by one."""
