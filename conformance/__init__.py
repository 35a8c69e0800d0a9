"""Asks an endpoint, records what it answered and judges it by the contract's schemas and by oracles."""
