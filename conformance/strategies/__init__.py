"""JSON Schema to requests: valid values, their boundaries, and values that break exactly one keyword."""
