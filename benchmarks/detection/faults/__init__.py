"""The faults, area by area."""
