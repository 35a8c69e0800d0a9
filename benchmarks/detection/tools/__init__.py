"""The tools under comparison, each in its own environment."""
