"""Reads the log of a run and says what it means."""
