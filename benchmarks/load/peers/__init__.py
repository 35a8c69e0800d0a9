"""Other load generators against the same server in the same run: one module for each, and what they have in common."""
