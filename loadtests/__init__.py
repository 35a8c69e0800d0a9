"""Asks an endpoint many times at once and measures what its users would feel."""
