"""A Llama checkpoint made on the spot: weights by construction and a tokenizer of its own, so that no hub is needed."""
