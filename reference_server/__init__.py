"""A server that keeps the contract, or breaks it on purpose, one rule at a time."""
