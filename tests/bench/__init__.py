"""Measurements: ratios within one run, because machines are noisy and differ. `make bench` prints them."""
