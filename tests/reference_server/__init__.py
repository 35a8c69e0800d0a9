"""The reference server, judged before it judges."""
