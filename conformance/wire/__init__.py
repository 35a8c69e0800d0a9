"""What travels between a client and an endpoint, as values; standard library only."""
