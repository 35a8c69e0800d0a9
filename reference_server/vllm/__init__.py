"""A real vLLM behind the contract: how it is started and stopped, and what the layer adapts."""
